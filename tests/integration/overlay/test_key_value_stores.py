"""Key-value stores on servers, as llama-stack's own providers use them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.support.postgres import Postgres
from tests.support.run_configs import AGENTS, postgres_kv, redis_kv, run_config
from tests.support.stack_server import serve

BACKENDS: dict[str, Callable[[Any], dict[str, Any]]] = {
    "postgres": lambda server: postgres_kv(server, f"kv_{uuid4().hex}"),
    "redis_server": redis_kv,
}
AGENT: Any = {"model": "a-model", "instructions": "Be brief."}


@pytest.mark.parametrize("server", BACKENDS)
def test_agents_are_kept_and_listed(server: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    backend = BACKENDS[server](request.getfixturevalue(server))
    config = run_config(tmp_path, {"inference": [], "agents": [AGENTS]}, kv_backend=backend)

    with serve(config) as stack:
        agents = stack.client.alpha.agents
        agent_ids = {agents.create(agent_config=AGENT).agent_id for _ in range(2)}
        assert agent_ids <= {agent["agent_id"] for agent in agents.list().data or []}
        assert agents.retrieve(min(agent_ids)).agent_config.instructions == "Be brief."


def test_a_lost_connection_to_postgres_is_made_again(postgres: Postgres, tmp_path: Path) -> None:
    backend = postgres_kv(postgres, f"kv_{uuid4().hex}")
    config = run_config(tmp_path, {"inference": [], "agents": [AGENTS]}, kv_backend=backend)

    with serve(config) as stack:
        agents = stack.client.alpha.agents
        agent_id = agents.create(agent_config=AGENT).agent_id
        postgres.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
        assert agents.retrieve(agent_id).agent_id == agent_id
