"""Providers of the prompts API, for which llama-stack has a built-in service and no registry."""

from llama_stack.apis.datatypes import Api
from llama_stack.providers.datatypes import InlineProviderSpec, ProviderSpec


def available_providers() -> list[ProviderSpec]:
    """Return the providers of this API."""
    return [
        InlineProviderSpec(
            api=Api.prompts,
            provider_type="inline::prompts",
            pip_packages=["psycopg2-binary", "redis"],
            module="providers.prompts",
            config_class="providers.prompts.config.PromptsConfig",
            description="Versioned prompt templates in a key-value store that several replicas may share.",
        )
    ]
