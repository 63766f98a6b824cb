"""Providers of the batches API: llama-stack's reference implementation, for the user whose batch it is."""

from llama_stack.apis.datatypes import Api
from llama_stack.providers.datatypes import InlineProviderSpec, ProviderSpec


def available_providers() -> list[ProviderSpec]:
    """Return the providers of this API."""
    return [
        InlineProviderSpec(
            api=Api.batches,
            provider_type="inline::reference",
            pip_packages=[],
            module="providers.batches",
            config_class="llama_stack.providers.inline.batches.reference.config.ReferenceBatchesImplConfig",
            api_dependencies=[Api.inference, Api.files, Api.models],
            description="llama-stack's batches, each of which belongs to who sent it.",
        )
    ]
