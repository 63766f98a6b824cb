"""The store waits, breaks or is not there."""

import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import psycopg2
import pytest
import redis
from llama_stack_client import APIStatusError
from psycopg2 import sql

from tests.integration.prompts.conftest import Backend
from tests.integration.prompts.prompts_api import Prompts
from tests.support.process import LOOPBACK, free_port
from tests.support.run_configs import PROMPTS, run_config
from tests.support.stack_server import StackServer, serve


def test_the_server_answers_others_while_the_store_waits(
    backend: Backend, stack: StackServer, prompts: Prompts
) -> None:
    prompt_id = prompts.create("one")["prompt_id"]

    with ThreadPoolExecutor(1) as threads:
        with _locked(backend, prompt_id):
            update = threads.submit(prompts.update, prompt_id, "two", 1)
            for _ in range(20):
                assert stack.client.get("/v1/health", cast_to=object) == {"status": "OK"}
            assert not update.done()
        assert update.result()["version"] == 2


@pytest.mark.parametrize("backend", ["postgres", "redis"], indirect=True)
def test_a_store_that_hung_up_is_called_again(backend: Backend, prompts: Prompts) -> None:
    prompt_id = prompts.create("one")["prompt_id"]

    _hang_up(backend)
    assert prompts.get(prompt_id)["prompt"] == "one"
    _hang_up(backend)
    assert prompts.update(prompt_id, "two", version=1)["version"] == 2


@pytest.mark.parametrize("kind", ["kv_postgres", "kv_redis"])
def test_a_store_that_is_not_there(tmp_path: Path, kind: str) -> None:
    port = free_port()
    account = {"user": "tester", "password": "secret"} if kind == "kv_postgres" else {}
    config = run_config(tmp_path, {"inference": [], "prompts": [_on("absent")]})
    config["storage"]["backends"]["absent"] = {"type": kind, "host": LOOPBACK, "port": port, **account}

    with serve(config) as stack, pytest.raises(APIStatusError) as error:
        Prompts(stack.client).create("one")

    assert error.value.status_code == 502
    assert f"{LOOPBACK}:{port}" in error.value.message
    assert "secret" not in error.value.message


def _on(backend: str) -> dict[str, Any]:
    return {**PROMPTS, "config": {"persistence": {"backend": backend}}}


def _locked(backend: Backend, prompt_id: str) -> AbstractContextManager[None]:
    """Keep everybody else from writing a prompt for as long as the block lasts."""
    match backend["type"]:
        case "kv_sqlite":
            return _locked_file(Path(backend["db_path"]))
        case "kv_postgres":
            return _locked_row(backend, f"prompts:prompts:v1:{prompt_id}:default")
        case _:
            return _paused(backend)


@contextmanager
def _locked_file(path: Path) -> Iterator[None]:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("BEGIN EXCLUSIVE")
    yield
    connection.execute("ROLLBACK")
    connection.close()


@contextmanager
def _locked_row(backend: Backend, key: str) -> Iterator[None]:
    with _postgres(backend) as cursor:
        table = sql.Identifier(backend["table_name"])
        cursor.execute(sql.SQL("SELECT 1 FROM {} WHERE key = %s FOR UPDATE").format(table), (key,))
        assert cursor.rowcount == 1
        yield


@contextmanager
def _postgres(backend: Backend) -> Iterator[Any]:
    connection = psycopg2.connect(
        host=backend["host"],
        port=backend["port"],
        user=backend["user"],
        password=backend["password"],
        dbname=backend["db"],
    )
    with connection, connection.cursor() as cursor:
        yield cursor
    connection.close()


def _hang_up(backend: Backend) -> None:
    """Close all connections from the other side, as a restart does."""
    if backend["type"] == "kv_postgres":
        with _postgres(backend) as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
            )
    else:
        with redis.Redis(backend["host"], backend["port"]) as client:
            client.client_kill_filter(_type="normal", skipme=True)


@contextmanager
def _paused(backend: Backend) -> Iterator[None]:
    with redis.Redis(backend["host"], backend["port"]) as client:
        client.client_pause(60_000, all=False)  # writers only: else nobody could end it
        yield
        client.client_unpause()
