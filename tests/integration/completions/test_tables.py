"""Stored completions lie in the table that the run config names."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.integration.files.waiting import wait_until
from tests.support import scripted_backend
from tests.support.postgres import Postgres
from tests.support.run_configs import postgres_sql, run_config, vllm_provider
from tests.support.scripted_backend import ScriptedBackend
from tests.support.stack_server import StackServer, serve


@pytest.fixture(scope="module")
def backend() -> Iterator[ScriptedBackend]:
    with scripted_backend.serve() as server:
        yield server


@contextmanager
def stack(backend: ScriptedBackend, directory: Path, table: str, **storage: Any) -> Iterator[StackServer]:
    config = run_config(directory, {"inference": [vllm_provider("vllm", backend.url)]}, **storage)
    config["storage"]["stores"]["inference"]["table_name"] = table
    with serve(config) as server:
        yield server


def ask(server: StackServer) -> str:
    question: Any = [{"role": "user", "content": "Hello"}]
    return server.openai.chat.completions.create(model="vllm/scripted", messages=question).id


def stored(server: StackServer) -> list[str]:
    found = requests.get(f"{server.url}/v1/chat/completions", timeout=30).json()["data"]
    return [completion["id"] for completion in found]


def test_two_distributions_in_one_database_have_their_own(
    backend: ScriptedBackend, postgres: Postgres, tmp_path: Path
) -> None:
    database = postgres_sql(postgres.new_database())
    with (
        stack(backend, tmp_path, "completions_of_one", sql_backend=database) as one,
        stack(backend, tmp_path, "completions_of_two", sql_backend=database) as two,
    ):
        completion_id = ask(one)
        wait_until(lambda: stored(one) == [completion_id])  # it is answered first
        assert stored(two) == []


def test_what_was_stored_under_the_old_name_is_still_there(backend: ScriptedBackend, tmp_path: Path) -> None:
    with stack(backend, tmp_path, "chat_completions") as before:
        completion_id = ask(before)
    with stack(backend, tmp_path, "inference_store") as after:
        assert stored(after) == [completion_id]
        assert after.openai.chat.completions.retrieve(completion_id).id == completion_id
    tables = sqlite3.connect(tmp_path / "sql.db").execute("SELECT name FROM sqlite_master").fetchall()
    assert ("inference_store",) not in tables
