"""Stores of chat completions in SQLite files."""

import asyncio
import sqlite3
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from llama_stack.core.access_control.datatypes import AccessRule
from llama_stack.core.datatypes import User
from llama_stack.core.request_headers import RequestProviderDataContext
from llama_stack.core.storage.datatypes import InferenceStoreReference, SqliteSqlStoreConfig
from llama_stack.providers.utils.sqlstore import sqlstore

from providers.completions.record import StoredCompletion
from providers.completions.store import CompletionsStore

TABLE = "inference_store"
ALICE = User("alice", {"teams": ["red"]})
RITA = User("rita", {"teams": ["red"]})
BOB = User("bob", {"teams": ["blue"]})


def completion(completion_id: str, **differences: Any) -> StoredCompletion:
    """A chat completion of which only what matters is said."""
    fields: dict[str, Any] = {
        "id": completion_id,
        "created": 1_700_000_000,
        "model": "vllm/scripted",
        "choices": b'[{"index":0,"message":{"role":"assistant","content":"Hi"},"finish_reason":"stop"}]',
        "messages": b'[{"role":"user","content":"Hello"}]',
    }
    return StoredCompletion(**fields | differences)


@dataclass
class Place:
    """A SQLite file, and stores in it."""

    path: Path
    policy: list[AccessRule] = field(default_factory=list)

    @asynccontextmanager
    async def store(self) -> AsyncGenerator[CompletionsStore]:
        """A store that is ready."""
        store = CompletionsStore(InferenceStoreReference(backend="sql", table_name=TABLE), self.policy)
        await store.initialize()
        try:
            yield store
        finally:
            await store.shutdown()

    def run(self, work: Callable[[CompletionsStore], Coroutine[Any, Any, None]]) -> None:
        """Do something with a store, in an event loop of its own."""

        async def use() -> None:
            async with self.store() as store:
                await work(store)

        asyncio.run(use())

    def query(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """Carry out a statement beside the store."""
        with sqlite3.connect(self.path) as connection:
            return connection.execute(statement, values).fetchall()


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """An empty one."""
    config = SqliteSqlStoreConfig(db_path=str(tmp_path / "sql.db"))
    monkeypatch.setitem(sqlstore._SQLSTORE_BACKENDS, "sql", config)
    return Place(tmp_path / "sql.db")


async def add(store: CompletionsStore, user: User | None, *completions: StoredCompletion) -> None:
    """Store them as a user's."""
    with RequestProviderDataContext({}, user):
        for one in completions:
            await store.add(one)


async def listed(store: CompletionsStore, user: User | None = None, **options: Any) -> tuple[Sequence[str], bool]:
    """The ids that a user sees, and whether there are more."""
    asked: dict[str, Any] = {"after": None, "limit": 20, "newest_first": False, "model": None, "metadata": {}}
    with RequestProviderDataContext({}, user):
        page = await store.page(**asked | options)
    return [row["id"] for row in page.rows], page.has_more
