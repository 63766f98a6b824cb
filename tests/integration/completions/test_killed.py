"""kill -9 at any moment: each completion that was answered is stored.

``python build.py test --long tests/integration/completions/test_killed.py`` does it fifty times.
"""

import random
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support import scripted_backend
from tests.support.run_configs import postgres_sql, run_config, vllm_provider
from tests.support.stack_server import serve

CLIENTS = 16
ROUNDS, MANY_ROUNDS = 2, 50


def ask_until_it_ends(url: str, name: str) -> list[str]:
    """Ask for completions, at once and as streams by turns; return the ids of those that were answered."""
    answered: list[str] = []
    with httpx.Client(base_url=url, timeout=60) as http:
        for number in count():
            question: dict[str, Any] = {"model": "vllm/scripted", "messages": [{"role": "user", "content": "Hello"}]}
            stream = number % 2 == 1
            try:
                answer = http.post(
                    "/v1/chat/completions", json={**question, "user": f"{name}-{number}", "stream": stream}
                )
            except httpx.HTTPError:
                return answered
            if answer.is_success and (not stream or '"finish_reason":"stop"' in answer.text):
                answered.append(f"chatcmpl-{name}-{number}")
    raise AssertionError("it does not end")


@pytest.mark.parametrize("database", ["SQLite", "PostgreSQL"])
def test_what_was_answered_is_stored(database: str, request: pytest.FixtureRequest, tmp_path: Path, long: bool) -> None:
    storage: dict[str, Any] = {}
    if database == "PostgreSQL":
        storage["sql_backend"] = postgres_sql(request.getfixturevalue("postgres").new_database())
    answered: list[str] = []
    with scripted_backend.serve() as backend:
        config = run_config(tmp_path, {"inference": [vllm_provider("vllm", backend.url)]}, **storage)
        for number in range(MANY_ROUNDS if long else ROUNDS):
            with serve(config) as server, ThreadPoolExecutor(CLIENTS) as clients:
                names = [f"round-{number}-client-{client}" for client in range(CLIENTS)]
                asking = [clients.submit(ask_until_it_ends, server.url, name) for name in names]
                time.sleep(1 + random.Random(number).random())
                server.program.process.send_signal(signal.SIGKILL)
                answered += [one for client in asking for one in client.result()]
        with serve(config) as server:
            stored = {one.id for one in server.openai.chat.completions.list(limit=100)}
    assert len(answered) > CLIENTS
    assert set(answered) <= stored
