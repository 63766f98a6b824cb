"""Providers of the agents API: llama-stack's reference implementation with what it really needs."""

from llama_stack.apis.datatypes import Api
from llama_stack.providers.datatypes import InlineProviderSpec, ProviderSpec


def available_providers() -> list[ProviderSpec]:
    """Return the providers of this API."""
    return [
        InlineProviderSpec(
            api=Api.agents,
            provider_type="inline::meta-reference",
            # The drivers of the stores, images in messages, MCP tools. Nothing imports what else
            # upstream lists.
            pip_packages=[
                "aiosqlite",
                "asyncpg",
                "mcp>=1.8.1,<2",
                "pillow",
                "psycopg2-binary",
                "redis",
                "sqlalchemy[asyncio]",
            ],
            module="providers.agents",
            config_class="llama_stack.providers.inline.agents.meta_reference.MetaReferenceAgentsImplConfig",
            api_dependencies=[Api.inference, Api.conversations],
            optional_api_dependencies=[Api.safety, Api.vector_io, Api.tool_runtime, Api.tool_groups],
            description="llama-stack's agents, Responses and conversations.",
        )
    ]
