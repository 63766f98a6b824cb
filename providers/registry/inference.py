"""Providers of the inference API: vLLM."""

from llama_stack.apis.datatypes import Api
from llama_stack.providers.datatypes import ProviderSpec, RemoteProviderSpec


def available_providers() -> list[ProviderSpec]:
    """Return the providers of this API."""
    return [
        RemoteProviderSpec(
            api=Api.inference,
            adapter_type="vllm",
            provider_type="remote::vllm",
            pip_packages=[],
            module="providers.inference.vllm",
            config_class="providers.inference.vllm.config.VLLMConfig",
            provider_data_validator="llama_stack.providers.remote.inference.vllm.VLLMProviderDataValidator",
            description="Chat and embedding models served by vLLM.",
        )
    ]
