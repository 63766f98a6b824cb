"""Agents: what is not there is not found."""

from typing import Any

from distribution.overlay.declaration import change


@change(
    "llama_stack.providers.inline.agents.meta_reference.agents:MetaReferenceAgentsImpl.get_agents_step",
    takes=("self", "agent_id", "session_id", "turn_id", "step_id"),
    why="A step of a turn that is not there is a 500.",
)
def get_agents_step(original: Any) -> Any:
    async def get_agents_step(self: Any, agent_id: str, session_id: str, turn_id: str, step_id: str) -> Any:
        if await self.get_agents_turn(agent_id, session_id, turn_id) is None:
            raise ValueError(f"Session {session_id} has no turn {turn_id}: not found")
        return await original(self, agent_id, session_id, turn_id, step_id)

    return get_agents_step
