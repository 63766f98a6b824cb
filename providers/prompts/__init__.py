"""``inline::prompts``: versioned prompt templates in a key-value store."""

from typing import Any

from llama_stack.core.access_control.datatypes import AccessRule

from providers.prompts.config import PromptsConfig
from providers.prompts.provider import PromptsProvider


async def get_provider_impl(config: PromptsConfig, _deps: dict[Any, Any], policy: list[AccessRule]) -> PromptsProvider:
    """Return the provider; llama-stack calls this once the storage backends are known."""
    return PromptsProvider(config, policy)
