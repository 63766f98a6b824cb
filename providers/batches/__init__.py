"""``inline::reference``: llama-stack's batches, each of which belongs to who sent it."""

from typing import Any

from llama_stack.apis.datatypes import Api
from llama_stack.core.access_control.datatypes import AccessRule
from llama_stack.providers.inline.batches import reference
from llama_stack.providers.inline.batches.reference.config import ReferenceBatchesImplConfig

from providers.batches.inference import ClientsInference
from providers.batches.provider import BatchesProvider


async def get_provider_impl(
    config: ReferenceBatchesImplConfig, deps: dict[Api, Any], policy: list[AccessRule]
) -> BatchesProvider:
    """Return the provider with its store opened."""
    deps = {**deps, Api.inference: ClientsInference(deps[Api.inference])}
    return BatchesProvider(await reference.get_provider_impl(config, deps, policy), policy)
