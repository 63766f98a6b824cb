"""GET /v1/providers: every provider that is on, each with the health that it has itself."""

import asyncio
from collections.abc import Iterator
from typing import Any

from distribution.overlay.declaration import change
from distribution.overlay.provider_registry import is_on
from distribution.overlay.starting import current
from distribution.verification.masking import shown

TIMEOUT = 3.0  # seconds for each provider; all are asked at once

Key = tuple[str, str]  # API, provider id


@change(
    "llama_stack.core.providers:ProviderImpl.get_providers_health",
    takes=("self",),
    why="Upstream asks a dict that was filled before the providers were made, one after the other and without a limit: "
    "each provider is said not to implement a health check.",
)
def get_providers_health(original: Any) -> Any:
    async def get_providers_health(self: Any) -> dict[str, dict[str, Any]]:
        providers = dict(_providers(self.deps))
        answers = await asyncio.gather(*(_health(key, provider) for key, provider in providers.items()))
        found: dict[str, dict[str, Any]] = {}
        for (api, provider_id), health in zip(providers, answers, strict=True):
            if health is not None:
                found.setdefault(api, {})[provider_id] = health
        return found

    return get_providers_health


@change(
    "llama_stack.core.providers:ProviderImpl.list_providers",
    takes=("self",),
    why="GET /v1/providers lists providers that are switched off, with an empty id.",
)
def list_providers(original: Any) -> Any:
    async def list_providers(self: Any) -> Any:
        listed = await original(self)
        listed.data = [provider for provider in listed.data if is_on(provider)]
        return listed

    return list_providers


def _providers(impls: dict[Any, Any]) -> Iterator[tuple[Key, Any]]:
    """Yield the providers behind the routing tables and those that need none."""
    for implementation in impls.values():
        for provider_id, provider in getattr(implementation, "impls_by_provider_id", {}).items():
            yield (provider.__provider_spec__.api.value, provider_id), provider
        spec = getattr(implementation, "__provider_spec__", None)
        if spec is not None and not implementation.__provider_id__.startswith("__"):
            yield (spec.api.value, implementation.__provider_id__), implementation


async def _health(key: Key, provider: Any) -> dict[str, Any] | None:
    """Return what a provider says of itself; for one that says nothing, None or what was seen at the start."""
    if not hasattr(provider, "health"):
        if reason := current.unreachable.get(key):
            return {"status": "Error", "message": f"Does not answer: {reason}"}
        return None
    try:
        health = await asyncio.wait_for(provider.health(), TIMEOUT)
    except TimeoutError:
        return {"status": "Error", "message": f"Its health check did not end within {TIMEOUT:g} seconds"}
    except NotImplementedError:
        return None
    except Exception as error:
        health = {"status": "Error", "message": f"Its health check failed: {error}"}
    masked: dict[str, Any] = shown(health)
    return masked
