"""llama-stack's reference implementation of agents, mended."""

import asyncio

from llama_stack.providers.datatypes import HealthResponse, HealthStatus
from llama_stack.providers.inline.agents.meta_reference.agents import MetaReferenceAgentsImpl

from providers.agents.responses import Responses

HEALTH_TIMEOUT = 2.0  # seconds


class AgentsProvider(MetaReferenceAgentsImpl):
    """Agents, turns and Responses."""

    async def initialize(self) -> None:
        """Open the stores."""
        await super().initialize()
        self.openai_responses_impl = Responses(
            inference_api=self.inference_api,
            tool_groups_api=self.tool_groups_api,
            tool_runtime_api=self.tool_runtime_api,
            responses_store=self.responses_store,
            vector_io_api=self.vector_io_api,
            safety_api=self.safety_api,
            conversations_api=self.conversations_api,
        )

    async def health(self) -> HealthResponse:
        """Say whether both stores answer; the APIs that agents use speak for themselves."""
        try:
            async with asyncio.timeout(HEALTH_TIMEOUT):
                await self.persistence_store.get("health")
                await self.responses_store.list_responses(limit=1)
        except TimeoutError:
            message = f"The stores did not answer within {HEALTH_TIMEOUT:g} seconds"
            return HealthResponse(status=HealthStatus.ERROR, message=message)
        except Exception as error:
            return HealthResponse(status=HealthStatus.ERROR, message=str(error))
        return HealthResponse(status=HealthStatus.OK)
