"""A disk that is full, a database that hangs: models are asked all the same, and what is lost is said."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.support import faulty_backend, small_disk
from tests.support import postgres as postgres_server
from tests.support.faulty_backend import EMBEDDING_MODEL, MODEL
from tests.support.postgres import Postgres
from tests.support.process import Program
from tests.support.run_configs import postgres_kv, postgres_sql, run_config, vllm_provider
from tests.support.stack_server import StackServer, serve

CHAT, TEXTS, EMBEDDINGS = "chat/completions", "completions", "embeddings"
A_DISK = 8  # MB
A_MESSAGE = "How do I do it? " * 4000


@dataclass(frozen=True)
class Served:
    """A server."""

    stack: StackServer

    @property
    def program(self) -> Program:
        return self.stack.program

    def chat(self, message: str = "Hello", **more: Any) -> requests.Response:
        body = {"model": f"vllm/{MODEL}", "messages": [{"role": "user", "content": message}], **more}
        return requests.post(f"{self.stack.url}/v1/{CHAT}", json=body, timeout=60)

    def other(self) -> list[int]:
        """The statuses of requests that need no database."""
        bodies: dict[str, dict[str, Any]] = {
            TEXTS: {"model": f"vllm/{MODEL}", "prompt": "Hello"},
            EMBEDDINGS: {"model": f"vllm/{EMBEDDING_MODEL}", "input": "Hello"},
        }
        answers = [requests.post(f"{self.stack.url}/v1/{at}", json=body, timeout=60) for at, body in bodies.items()]
        return [
            answer.status_code for answer in [*answers, self.chat(store=False), self.chat(stream=True, store=False)]
        ]

    def is_stored(self, completion_id: str) -> bool:
        return requests.get(f"{self.stack.url}/v1/{CHAT}/{completion_id}", timeout=60).status_code == 200

    def health(self) -> dict[str, Any]:
        answer = requests.get(f"{self.stack.url}/v1/health", timeout=60)
        assert answer.status_code == 200
        health: dict[str, Any] = answer.json()
        assert health["status"] == "OK"
        return health

    def lines_of_loss(self) -> int:
        return " ".join(self.program.log.read_text().split()).count("not be stored")


@contextmanager
def served(directory: Path, **backends: Any) -> Iterator[Served]:
    with faulty_backend.serve() as backend:
        embedding_models = {EMBEDDING_MODEL: {"embedding_dimension": 2}}
        provider = vllm_provider("vllm", backend.url, embedding_models=embedding_models)
        with serve(run_config(directory, {"inference": [provider]}, **backends)) as stack:
            yield Served(stack)


def events_of(answer: requests.Response) -> list[str]:
    return [line for line in answer.text.split("\n\n") if line]


def test_a_disk_that_is_full(tmp_path: Path) -> None:
    with small_disk.mounted(tmp_path / "disk", A_DISK) as disk, served(disk) as server:
        assert server.is_stored(server.chat().json()["id"])
        assert "detail" not in server.health()
        fill(disk / "filler")

        lost = [server.chat(A_MESSAGE) for _ in range(20)]
        lost_stream = server.chat(A_MESSAGE, stream=True)

        assert [answer.status_code for answer in lost] == [200] * 20
        assert events_of(lost_stream)[-1] == "data: [DONE]"
        assert not all(server.is_stored(answer.json()["id"]) for answer in lost)
        assert "chat completions cannot be stored" in server.health()["detail"]
        assert server.lines_of_loss() == 1
        assert server.other() == [200] * 4

        (disk / "filler").unlink()
        server.program.wait_until(lambda: server.is_stored(server.chat().json()["id"]), timeout=20)
        assert "are stored again. Lost" in server.health()["detail"]
        assert "Traceback" not in server.program.log.read_text()


def fill(path: Path) -> None:
    """Write as much as there is room for."""
    with path.open("wb", buffering=0) as file:
        for size in (1 << 16, 1 << 10, 1):
            try:
                while True:
                    file.write(b"\0" * size)
            except OSError:
                continue


def test_a_database_that_hangs(postgres: Postgres, tmp_path: Path) -> None:
    database = postgres.new_database()
    backends = {"kv_backend": postgres_kv(database, "kv"), "sql_backend": postgres_sql(database)}
    with served(tmp_path, **backends) as server, ThreadPoolExecutor(8) as pool:
        first = server.chat().json()["id"]
        assert server.is_stored(first)

        with postgres_server.hanging(postgres):
            waiting = [pool.submit(server.chat) for _ in range(3)]
            waiting.append(pool.submit(server.chat, stream=True))
            time.sleep(0.5)
            for _ in range(10):
                assert server.other() == [200] * 4
                assert server.health()
            assert not any(one.done() for one in waiting)

            assert [one.result().status_code for one in waiting] == [200] * 4
            assert events_of(waiting[-1].result())[-1] == "data: [DONE]"
            assert "chat completions cannot be stored" in server.health()["detail"]
            assert server.lines_of_loss() == 1
            assert server.other() == [200] * 4

        server.program.wait_until(lambda: server.is_stored(server.chat().json()["id"]), timeout=60)
        assert server.is_stored(first)
        assert "are stored again. Lost" in server.health()["detail"]
        assert "Traceback" not in server.program.log.read_text()


@pytest.mark.parametrize("odd", [{"metadata": {"a": "b\0"}}, {"user": "\0"}, {"metadata": {"\0": ""}}])
def test_what_cannot_be_stored_takes_nothing_else_with_it(
    postgres: Postgres, tmp_path_factory: pytest.TempPathFactory, odd: dict[str, Any]
) -> None:
    database = postgres.new_database()
    directory = tmp_path_factory.mktemp("odd")
    with served(directory, sql_backend=postgres_sql(database)) as server, ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda number: server.chat(**(odd if number % 4 == 0 else {})), range(64)))
        good = [answer for number, answer in enumerate(answers) if number % 4]

        assert {answer.status_code for answer in good} == {200}
        assert all(pool.map(server.is_stored, [answer.json()["id"] for answer in good]))
        assert {answer.status_code for answer in answers} <= {200, 400}
