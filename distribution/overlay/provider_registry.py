"""llama-stack's provider registry, with the providers of this distribution and of installed packages in it."""

import functools
from pathlib import Path
from typing import Any

from distribution.overlay.declaration import change
from distribution.upstream.shipped import shipped_module
from distribution.verification.expansion import DISABLED

OWN_MODULES = Path(__file__).resolve().parents[2] / "providers" / "registry"


@change(
    "llama_stack.providers.registry:__path__",
    why="There is no module `llama_stack.providers.registry.prompts` (nor `telemetry`): a run config with a provider "
    "of prompts dies with ModuleNotFoundError.",
)
def search_path(path: list[str]) -> list[str]:
    path.append(str(OWN_MODULES))
    return path


@change(
    "llama_stack.core.distribution:INTERNAL_APIS",
    why="Prompts cannot have providers: `KeyError: <Api.prompts: 'prompts'>`.",
)
def internal_apis(apis: set[Any]) -> set[Any]:
    from llama_stack.apis.datatypes import Api

    apis.discard(Api.prompts)
    return apis


@change(
    "llama_stack.core.distribution:get_external_providers_from_module",
    takes=("registry", "config", "building"),
    why="Upstream imports the package of every external provider, of those that are switched off as well, and knows "
    "none that its entry does not name.",
)
def external_providers(original: Any) -> Any:
    def get_external_providers_from_module(registry: Any, config: Any, building: bool) -> Any:
        if not building:
            on = {
                api: [_with_module(api, provider) for provider in providers if is_on(provider)]
                for api, providers in config.providers.items()
            }
            config = config.model_copy(update={"providers": on})
        return original(_with_added(registry), config, building)

    return get_external_providers_from_module


@change(
    "llama_stack.core.distribution:get_provider_registry",
    takes=("config",),
    why="A provider of another package can take part only by a run config that names its module, or by a directory of "
    "YAML files; here packages that are installed, and this distribution, add theirs.",
)
def provider_registry(original: Any) -> Any:
    def get_provider_registry(config: Any = None) -> Any:
        registry = original(config)
        # With a config, the providers it names itself have been added to ours, and have the last word.
        return registry if config else _with_added(registry)

    return get_provider_registry


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
