"""GET /v1/providers says how the providers are."""

import sqlite3
from pathlib import Path

from tests.support.process import LOOPBACK, free_port
from tests.support.run_configs import AGENTS, PROMPTS, run_config, vllm_provider
from tests.support.stack_server import StackServer, serve


def test_each_provider_shows_its_own_health(tmp_path: Path) -> None:
    nowhere = f"http://{LOOPBACK}:{free_port()}/v1"
    off = {**vllm_provider("", nowhere), "provider_id": ""}
    providers = {"inference": [vllm_provider("vllm", nowhere), off], "prompts": [PROMPTS], "agents": [AGENTS]}

    with serve(run_config(tmp_path, providers)) as stack:
        health = _health(stack)
        assert health.keys() == {"vllm", "prompts", "meta-reference"}
        assert health["prompts"] == health["meta-reference"] == {"status": "OK"}
        assert health["vllm"]["status"] == "Error"
        assert nowhere in str(health["vllm"]["message"])
        assert stack.client.providers.retrieve("prompts").health == {"status": "OK"}


def test_a_store_that_cannot_be_written_is_shown(tmp_path: Path) -> None:
    with serve(run_config(tmp_path, {"inference": [], "prompts": [PROMPTS]})) as stack:
        lock = sqlite3.connect(tmp_path / "kv.db", isolation_level=None)
        lock.execute("BEGIN EXCLUSIVE")
        locked = _health(stack)["prompts"]
        lock.execute("ROLLBACK")
        lock.close()

        assert locked["status"] == "Error"
        assert str(tmp_path / "kv.db") in str(locked["message"])


def _health(stack: StackServer) -> dict[str, dict[str, object]]:
    return {provider.provider_id: dict(provider.health) for provider in stack.client.providers.list()}
