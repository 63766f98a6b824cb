"""The default run config, served with all its features, on SQLite and on PostgreSQL."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
import yaml
from openai import OpenAI

from tests.support import scripted_backend
from tests.support.postgres import Postgres
from tests.support.scripted_backend import ScriptedBackend
from tests.support.stack_server import ROOT, StackServer, serve

MODEL = "vllm/scripted"


@dataclass(frozen=True)
class Stack:
    """A server, what its models were asked, and its database."""

    server: StackServer
    backend: ScriptedBackend
    database: Path | Postgres

    @property
    def openai(self) -> OpenAI:
        """OpenAI's client."""
        return self.server.openai

    @cached_property
    def http(self) -> httpx.Client:
        """A plain client."""
        return httpx.Client(base_url=self.server.url, timeout=60)

    def post(self, path: str, body: dict[str, Any]) -> Any:
        """The answer to a request that must succeed."""
        answer = self.http.post(path, json=body)
        assert answer.is_success, f"{path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.headers["content-type"] == "application/json" else answer.text

    def ask(self, text: str, **more: Any) -> str:
        """The id of a new completion, called after its text."""
        message: Any = {"role": "user", "content": text}
        created = self.openai.chat.completions.create(model=MODEL, messages=[message], user=text, **more)
        return str(created.id)

    def stored(self) -> list[str]:
        """The ids of all stored completions, removed after a look."""
        found = [one.id for one in self.openai.chat.completions.list(limit=100)]
        for one in found:
            self.openai.chat.completions.delete(one)
        return found

    def tables_with(self, word: str) -> set[str]:
        """The tables in which a word stands anywhere."""
        return {name for name, rows in self._rows() if any(word in str(value) for row in rows for value in row)}

    def _rows(self) -> Iterator[tuple[str, list[tuple[Any, ...]]]]:
        if isinstance(self.database, Postgres):
            with psycopg.connect(self.database.url) as connection:
                names = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
                for (name,) in names:
                    yield name, connection.execute(_all_of(name).encode()).fetchall()
            return
        for file in self.database.glob("*.db"):
            with closing(sqlite3.connect(file)) as connection:
                for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
                    yield name, connection.execute(_all_of(name)).fetchall()


def _all_of(table: str) -> str:
    return f'SELECT * FROM "{table}"'  # noqa: S608


@pytest.fixture(scope="module")
def backend() -> Iterator[ScriptedBackend]:
    """The models."""
    with scripted_backend.serve() as server:
        yield server


@pytest.fixture(scope="module", params=["SQLite", "PostgreSQL"])
def stack(
    request: pytest.FixtureRequest, backend: ScriptedBackend, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    """A server of the default run config, on one database or the other."""
    data = tmp_path_factory.mktemp("data")
    database: Path | Postgres = data
    environment = {
        "VLLM_URL": backend.url,
        "VLLM_EMBEDDING_URL": backend.url,
        "VLLM_EMBEDDING_MODEL": scripted_backend.EMBEDDING_MODEL,
        "VLLM_EMBEDDING_DIMENSION": str(scripted_backend.DIMENSION),
        "SQLITE_STORE_DIR": str(data),
        "FILES_STORAGE_DIR": str(data / "files"),
    }
    if request.param == "PostgreSQL":
        server = request.getfixturevalue("postgres").new_database()
        database = server
        environment |= {
            "POSTGRES_HOST": server.host,
            "POSTGRES_PORT": str(server.port),
            "POSTGRES_DB": server.database,
            "POSTGRES_USER": server.user,
            "POSTGRES_PASSWORD": server.password,
        }
    config = yaml.safe_load((ROOT / "run.yaml").read_text())
    with serve(config, environment) as server:
        yield Stack(server, backend, database)
