"""What llama-stack's model registry remembers of one provider, and what has to give way.

The registry outlives the server. It may hold an embedding model as an LLM, from a time when nobody had said
what it is, and upstream refuses to register a model that is there already and different.
"""

from collections.abc import Collection, Mapping
from typing import Any

from llama_stack.apis.models import Model, ModelType
from llama_stack.core.datatypes import ModelWithOwner, RegistryEntrySource
from llama_stack.core.request_headers import PROVIDER_DATA_VAR
from llama_stack.core.store.registry import DiskDistributionRegistry
from llama_stack.log import get_logger

from providers.inference.vllm.config import EmbeddingModel

log = get_logger(name=__name__, category="inference")


class StoredModels:
    """The models of one provider in the registry."""

    def __init__(self, registry: DiskDistributionRegistry, provider_id: str) -> None:
        self._registry = registry
        self._provider_id = provider_id

    async def store_declared(self, declared: Mapping[str, EmbeddingModel]) -> None:
        """Have the declared embedding models in the registry, and as they were declared, whatever was in it."""
        for name, model in declared.items():
            identifier = f"{self._provider_id}/{name}"
            stored = await self._get(identifier)
            settled = ModelWithOwner(
                identifier=identifier,
                provider_id=self._provider_id,
                provider_resource_id=name,
                model_type=ModelType.embedding,
                metadata={**(stored.metadata if stored else {}), **model.metadata()},
                source=stored.source if stored else RegistryEntrySource.listed_from_provider,
                owner=stored.owner if stored else None,
            )
            if settled != stored:
                await self._registry.update(settled)

    async def remove_superseded(self, model: Model) -> None:
        """Remove what is stored in place of a model that is about to be registered, unless it has to stay.

        What was merely found at vLLM gives way to a registration, and what an earlier start registered gives
        way to the run config of this one. What is registered does not give way to a request.
        """
        stored = await self._get(model.identifier)
        if stored is None or stored == model or not _is_registered(model):
            return
        serving_a_request = PROVIDER_DATA_VAR.get() is not None
        if not (serving_a_request and _is_registered(stored)):
            log.info(f"{model.identifier} is registered anew; it was stored differently")
            await self._registry.delete(model.type, model.identifier)

    async def warn_of_absent(self, served: Collection[str]) -> None:
        """Log which registered models vLLM does not serve."""
        mine = [entry for entry in await self._registry.get_all() if isinstance(entry, ModelWithOwner)]
        for entry in mine:
            registered = entry.provider_id == self._provider_id and _is_registered(entry)
            if registered and entry.provider_resource_id not in served:
                serves = ", ".join(sorted(served)) or "no model"
                log.warning(f"{entry.identifier} is registered, but vLLM does not serve it. It serves {serves}")

    async def _get(self, identifier: str) -> ModelWithOwner | None:
        stored: Any = await self._registry.get("model", identifier)
        return stored if isinstance(stored, ModelWithOwner) else None


def _is_registered(model: Model) -> bool:
    return isinstance(model, ModelWithOwner) and model.source == RegistryEntrySource.via_register_api
