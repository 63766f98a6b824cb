"""``inline::meta-reference``: llama-stack's agents, with only the APIs they cannot do without required."""

from typing import Any

from llama_stack.apis.datatypes import Api
from llama_stack.core.access_control.datatypes import AccessRule
from llama_stack.providers.inline.agents.meta_reference.config import MetaReferenceAgentsImplConfig

from providers.agents.inference import AgentsInference
from providers.agents.missing_api import or_missing
from providers.agents.provider import AgentsProvider


async def get_provider_impl(
    config: MetaReferenceAgentsImplConfig,
    deps: dict[Api, Any],
    policy: list[AccessRule],
    telemetry_enabled: bool = False,
) -> AgentsProvider:
    """Return the provider with its stores opened."""
    inference: Any = AgentsInference(deps[Api.inference])
    provider = AgentsProvider(
        config,
        inference_api=inference,
        vector_io_api=or_missing(deps, Api.vector_io),
        safety_api=or_missing(deps, Api.safety),
        tool_runtime_api=or_missing(deps, Api.tool_runtime),
        tool_groups_api=or_missing(deps, Api.tool_groups),
        conversations_api=deps[Api.conversations],
        policy=policy,
        telemetry_enabled=telemetry_enabled,
    )
    await provider.initialize()
    return provider
