"""``remote::vllm``: chat and embedding models served by vLLM."""

from typing import Any

from providers.inference.vllm.config import VLLMConfig
from providers.inference.vllm.provider import VLLMProvider


async def get_adapter_impl(config: VLLMConfig, _deps: dict[Any, Any]) -> VLLMProvider:
    """Return the provider; vLLM need not be up yet.

    Raises ValueError if the config names no URL.
    """
    provider = VLLMProvider(config=config)
    await provider.initialize()
    return provider
