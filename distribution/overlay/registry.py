"""llama-stack's provider registry, with the providers of this distribution and of installed packages in it."""

import functools
from pathlib import Path
from types import ModuleType
from typing import Any

from distribution.upstream.shipped import shipped_module

OWN_MODULES = Path(__file__).resolve().parents[2] / "providers" / "registry"
DISABLED = "__disabled__"


def change_registry_package(module: ModuleType) -> None:
    """llama_stack.providers.registry: find our modules where upstream has none, as for prompts."""
    module.__path__.append(str(OWN_MODULES))


def change_registry(module: ModuleType) -> None:
    """llama_stack.core.distribution: add our provider types, and import no provider that is switched off."""
    original = module.get_provider_registry
    from_modules = module.get_external_providers_from_module
    module.INTERNAL_APIS.discard(module.Api.prompts)

    def get_external_providers_from_module(registry: Any, config: Any, building: bool) -> Any:
        # Upstream imports the package of every external provider, of those that are off as well, and knows
        # none that its entry does not name.
        if not building:
            on = {
                api: [_with_module(api, provider) for provider in providers if is_on(provider)]
                for api, providers in config.providers.items()
            }
            config = config.model_copy(update={"providers": on})
        return from_modules(_with_added(registry), config, building)

    @functools.wraps(original)
    def get_provider_registry(config: Any = None) -> Any:
        registry = original(config)
        # With a config, the providers it names itself have been added to ours, and have the last word.
        return registry if config else _with_added(registry)

    module.get_external_providers_from_module = get_external_providers_from_module  # type: ignore[attr-defined]
    module.get_provider_registry = get_provider_registry  # type: ignore[attr-defined]


def is_on(provider: Any) -> bool:
    """Tell whether a provider of a run config is not switched off, as by a variable that is not set."""
    return bool(provider.provider_id) and provider.provider_id != DISABLED


def _with_module(api: str, provider: Any) -> Any:
    module = provider.module or shipped_module(api, provider.provider_type)
    return provider.model_copy(update={"module": module})


def _with_added(registry: dict[Any, dict[str, Any]]) -> dict[Any, dict[str, Any]]:
    for spec in _added():
        registry.setdefault(spec.api, {})[spec.provider_type] = spec
    return registry


@functools.cache
def _added() -> list[Any]:
    from providers.registry import added_providers

    return added_providers()
