"""llama-stack's reference implementation of agents, mended: an agent and its sessions belong to who made it."""

import asyncio
from typing import Any

from llama_stack.apis.agents import AgentConfig, AgentCreateResponse, Turn
from llama_stack.apis.common.errors import ResourceNotFoundError
from llama_stack.apis.common.responses import PaginatedResponse
from llama_stack.core.access_control.access_control import AccessDeniedError, is_action_allowed
from llama_stack.core.access_control.datatypes import Action
from llama_stack.core.request_headers import get_authenticated_user
from llama_stack.providers.datatypes import HealthResponse, HealthStatus
from llama_stack.providers.inline.agents.meta_reference.agent_instance import ChatAgent
from llama_stack.providers.inline.agents.meta_reference.agents import MetaReferenceAgentsImpl
from llama_stack.providers.utils.pagination import paginate_records

from providers.access.owners import Owners
from providers.agents.responses import Responses

HEALTH_TIMEOUT = 2.0  # seconds


class AgentsProvider(MetaReferenceAgentsImpl):
    """Agents, turns and Responses."""

    async def initialize(self) -> None:
        """Open the stores."""
        await super().initialize()
        self.owners = Owners(self.persistence_store, self.policy, "agent")
        self.openai_responses_impl = Responses(
            inference_api=self.inference_api,
            tool_groups_api=self.tool_groups_api,
            tool_runtime_api=self.tool_runtime_api,
            responses_store=self.responses_store,
            vector_io_api=self.vector_io_api,
            safety_api=self.safety_api,
            conversations_api=self.conversations_api,
        )

    async def create_agent(self, agent_config: AgentConfig) -> AgentCreateResponse:
        """Make an agent, which is the user's."""
        self.owners.require_create()
        created = await super().create_agent(agent_config)
        await self.owners.claim(created.agent_id)
        return created

    async def list_agents(self, start_index: int | None = None, limit: int | None = None) -> PaginatedResponse:
        """List the agents that the user may see."""
        found = (await super().list_agents()).data
        visible = await self.owners.visible([agent["agent_id"] for agent in found])
        return paginate_records([agent for agent in found if agent["agent_id"] in visible], start_index, limit)

    async def delete_agent(self, agent_id: str) -> None:
        """Remove an agent with its sessions."""
        await self._require(Action.DELETE, agent_id)
        await super().delete_agent(agent_id)
        await self.owners.forget(agent_id)

    async def list_agent_sessions(
        self, agent_id: str, start_index: int | None = None, limit: int | None = None
    ) -> PaginatedResponse:
        """List the sessions that the user may see, where others have some with the same agent."""
        storage = (await self._get_agent_impl(agent_id)).storage
        sessions = [
            session.model_dump()
            for session in await storage.list_sessions()
            if await storage.get_session_if_accessible(session.session_id)
        ]
        return paginate_records(sessions, start_index, limit)

    async def delete_agents_session(self, agent_id: str, session_id: str) -> None:  # type: ignore[override]
        """Remove a session with its turns."""
        agent = await self._get_agent_impl(agent_id)
        session: Any = await agent.storage.get_session_info(session_id)
        user = get_authenticated_user()
        if session is not None and not is_action_allowed(self.policy, Action.DELETE, session, user):
            raise AccessDeniedError(Action.DELETE.value, session, user)
        await super().delete_agents_session(agent_id, session_id)

    async def get_agents_turn(self, agent_id: str, session_id: str, turn_id: str) -> Turn:
        """Return a turn; upstream returns nothing for one that is not there."""
        turn: Turn | None = await super().get_agents_turn(agent_id, session_id, turn_id)
        if turn is None:
            raise ResourceNotFoundError(turn_id, "Turn", "client.agents.session.retrieve()")
        return turn

    async def _get_agent_impl(self, agent_id: str) -> ChatAgent:
        """Return an agent to work with, which all of upstream's methods do first."""
        await self._require(Action.READ, agent_id)
        if await self.persistence_store.get(f"agent:{agent_id}") is None:
            raise _not_found(agent_id)
        return await super()._get_agent_impl(agent_id)

    async def _require(self, action: Action, agent_id: str) -> None:
        await self.owners.require(action, agent_id, _not_found(agent_id))

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


def _not_found(agent_id: str) -> ResourceNotFoundError:
    return ResourceNotFoundError(agent_id, "Agent", "client.agents.list()")
