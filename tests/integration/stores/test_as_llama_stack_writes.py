"""Databases of llama-stack's own stores go on with ours, and ours with theirs: tables, columns, keys, JSON."""

import asyncio
import sqlite3
from collections.abc import Callable, Coroutine
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from llama_stack.core.storage.datatypes import PostgresKVStoreConfig, PostgresSqlStoreConfig, SqliteKVStoreConfig
from llama_stack.providers.utils.kvstore.postgres.postgres import PostgresKVStoreImpl
from llama_stack.providers.utils.kvstore.sqlite.sqlite import SqliteKVStoreImpl
from llama_stack.providers.utils.sqlstore.api import ColumnDefinition, ColumnType
from llama_stack.providers.utils.sqlstore.sqlalchemy_sqlstore import SqlAlchemySqlStoreImpl
from sqlalchemy.exc import IntegrityError

from providers.stores.database import DatabaseConfig
from providers.stores.key_values import open_key_values
from providers.stores.rows import Rows

KeyValueConfig = SqliteKVStoreConfig | PostgresKVStoreConfig
SCHEMA: dict[str, ColumnType | ColumnDefinition] = {
    "id": ColumnDefinition(type=ColumnType.STRING, primary_key=True),
    "created": ColumnType.INTEGER,
    "text": ColumnDefinition(type=ColumnType.TEXT, nullable=False),
    "score": ColumnType.FLOAT,
    "is_done": ColumnType.BOOLEAN,
    "at": ColumnType.DATETIME,
    "document": ColumnType.JSON,
}
ROWS: list[dict[str, Any]] = [
    {
        "id": "full",
        "created": 2,
        "text": 'it\'s "text" % ü \n',
        "score": 0.1,
        "is_done": True,
        "at": datetime(2026, 1, 2, 3, 4, 5, 678),
        "document": {"ü": [1, 2.5, None, "x"], "nested": {"quote": "'"}},
    },
    {"id": "none", "created": 1, "text": "", "score": None, "is_done": None, "at": None, "document": None},
]
VALUES = {"a:1": '{"ü": 1}', "a:2": "two", "b:1": "it's %s", "a": "", "a;": ";"}


QUESTIONS: list[Callable[[Any], Coroutine[Any, Any, Any]]] = [
    lambda store: store.fetch_all("things", {"text": "1"}, order_by=[("created", "asc")]),
    lambda store: store.fetch_all("things", {"created": {">=": 7}}, order_by=[("id", "desc")]),
    lambda store: store.fetch_all("things", where_sql="created < 2", order_by=[("created", "asc")]),
    lambda store: store.fetch_all("things", limit=3, order_by=[("created", "desc")]),
    lambda store: store.fetch_all("things", {"text": "0"}, limit=2, order_by=[("created", "desc")], cursor=("id", "6")),
    lambda store: store.fetch_all("things", order_by=[("created", "asc")], cursor=("id", "7")),
    lambda store: store.fetch_one("things", {"id": "3"}),
    lambda store: store.fetch_one("things", {"id": "absent"}),
    lambda store: store.fetch_all("things", order_by=[("created", "asc")], cursor=("id", "absent")),
    lambda store: store.fetch_all("things", order_by=[("absent", "asc")]),
    lambda store: store.fetch_all("things", order_by=[("id", "up")]),
    lambda store: store.fetch_all("things", cursor=("id", "1")),
    lambda store: store.fetch_all("things", {"created": {"~": 1}}),
    lambda store: store.update("things", {"text": "x"}, {}),
    lambda store: store.delete("things", {}),
    lambda store: store.create_table("nothing", {}),
]


@pytest.fixture
def key_values(config: DatabaseConfig) -> KeyValueConfig:
    """A key-value backend in the same database."""
    if isinstance(config, PostgresSqlStoreConfig):
        return PostgresKVStoreConfig(**config.model_dump(exclude={"type"}), table_name="Some_Values", namespace="one")
    return SqliteKVStoreConfig(db_path=config.db_path, namespace="one")  # type: ignore[union-attr]


def theirs(config: KeyValueConfig) -> SqliteKVStoreImpl | PostgresKVStoreImpl:
    """Llama-stack's own store."""
    return SqliteKVStoreImpl(config) if isinstance(config, SqliteKVStoreConfig) else PostgresKVStoreImpl(config)


@pytest.mark.parametrize("writer", ["ours", "theirs"])
def test_keys_and_values(key_values: KeyValueConfig, writer: str) -> None:
    async def use() -> list[list[Any]]:
        ours, other = open_key_values(key_values, "one"), theirs(key_values)
        await (ours if writer == "ours" else other).initialize()
        both = (ours, other) if writer == "ours" else (other, ours)
        for key, value in VALUES.items():
            await both[0].set(key, "before")
            await both[0].set(key, value)
        await both[0].delete("b:1")
        for store in both:
            await store.initialize()
        found = []
        for store in both:
            found.append(
                [
                    await store.get("a:1"),
                    await store.get("b:1"),
                    await store.values_in_range("a:", "a:\xff"),
                    [key.removeprefix("one:") for key in await store.keys_in_range("a:", "a:\xff")],
                ]
            )
        await ours.close()
        return found

    found = asyncio.run(use())
    assert found == [[VALUES["a:1"], None, [VALUES["a:1"], "two"], ["a:1", "a:2"]]] * 2


def test_keys_that_are_over(key_values: KeyValueConfig) -> None:
    """PostgreSQL forgets them, SQLite does not; what is stored is the same."""
    dates = [datetime(2020, 1, 1, 12, tzinfo=UTC), datetime(2999, 1, 1, 12, tzinfo=UTC)]

    async def use() -> list[list[Any]]:
        ours, other = open_key_values(key_values, "one"), theirs(key_values)
        await ours.initialize()
        await other.initialize()
        found = []
        for store, prefix in ((ours, "ours"), (other, "theirs")):
            for date in dates:
                await store.set(f"{prefix}:{date.year}", "x", date)
            keys = [f"{prefix}:{date.year}" for date in dates]
            found.append([await reader.get(key) for reader in (ours, other) for key in keys])
        await ours.close()
        return found

    found = asyncio.run(use())
    kept = "x" if isinstance(key_values, SqliteKVStoreConfig) else None
    assert found == [[kept, "x"] * 2] * 2
    table = "kvstore" if isinstance(key_values, SqliteKVStoreConfig) else "some_values"
    stored = dict(_raw(key_values, f"SELECT key, expiration FROM {table}"))  # noqa: S608
    names = [name for name in stored if "ours" in name]
    assert len(names) == 2
    assert [stored[name] for name in names] == [stored[name.replace("ours", "theirs")] for name in names]


@pytest.mark.parametrize("writer", ["ours", "theirs"])
def test_rows(config: Any, writer: str) -> None:
    async def use() -> list[list[Any]]:
        ours, other = Rows(config), SqlAlchemySqlStoreImpl(config)
        first, second = (ours, other) if writer == "ours" else (other, ours)
        for store in (first, second):
            await store.create_table("Things", SCHEMA)
            await store.add_column_if_not_exists("Things", "extra", ColumnType.JSON)
        await first.insert("Things", ROWS[0])
        await first.insert("Things", [ROWS[1]])
        found = [(await store.fetch_all("Things", order_by=[("created", "desc")])).data for store in (first, second)]
        await ours.database.close()
        return found

    assert asyncio.run(use()) == [ROWS, ROWS]


def test_rows_are_the_same_in_the_database(config: Any) -> None:
    async def use() -> None:
        ours, other = Rows(config), SqlAlchemySqlStoreImpl(config)
        for store, name in ((ours, "ours"), (other, "theirs")):
            await store.create_table(name, SCHEMA)
            await store.insert(name, ROWS[0])
            await store.insert(name, ROWS[1])
            await store.insert(name, [{**ROWS[0], "id": "full in a list"}, {**ROWS[1], "id": "none in a list"}])
            await store.update(name, {"document": {"new": None}}, {"id": "full in a list"})
            await store.update(name, {"document": None}, {"id": "none in a list"})
        await ours.database.close()

    asyncio.run(use())

    columns = ", ".join(f"CAST({name} AS VARCHAR)" for name in SCHEMA)
    stored = [_raw(config, f"SELECT {columns} FROM {table} ORDER BY id") for table in ("ours", "theirs")]  # noqa: S608
    assert stored[0] == stored[1]
    assert _definition(config, "ours") == _definition(config, "theirs").replace("theirs", "ours")


def test_queries(config: Any) -> None:
    """The same answers, and the same refusals."""
    rows = [{**ROWS[1], "id": str(number), "created": number, "text": str(number % 3)} for number in range(10)]

    async def use() -> list[list[Any]]:
        ours, other = Rows(config), SqlAlchemySqlStoreImpl(config)
        await ours.create_table("things", SCHEMA)
        await other.create_table("things", SCHEMA)
        await ours.insert("things", rows)
        answers = []
        for store in (ours, other):
            answers.append([await _answer(question(store)) for question in QUESTIONS])
        await ours.database.close()
        return answers

    answers = asyncio.run(use())
    assert answers[0] == answers[1]
    assert [row["id"] for row in answers[0][4]["data"]] == ["3", "0"]
    assert sum(isinstance(answer, str) for answer in answers[0]) == 8


def test_a_key_that_is_taken(config: Any) -> None:
    """Llama-stack's services look for this error and its words."""

    async def use() -> None:
        ours = Rows(config)
        await ours.create_table("things", SCHEMA)
        await ours.insert("things", ROWS[0])
        with pytest.raises(IntegrityError, match=r"UNIQUE constraint failed|violates unique constraint"):
            await ours.insert("things", ROWS[0])
        with pytest.raises(IntegrityError):
            await ours.insert("things", [ROWS[1], ROWS[0]])
        assert len((await ours.fetch_all("things")).data) == 1
        await ours.delete("things", {"id": ROWS[0]["id"]})
        assert await ours.fetch_one("things") is None
        await ours.database.close()

    asyncio.run(use())


async def _answer(question: Coroutine[Any, Any, Any]) -> Any:
    try:
        answer = await question
    except ValueError as error:
        return str(error)
    return answer.model_dump() if hasattr(answer, "model_dump") else answer


def _raw(config: Any, query: str) -> list[tuple[Any, ...]]:
    """What a query finds, as the driver alone has it."""
    if hasattr(config, "db_path"):
        with closing(sqlite3.connect(config.db_path)) as connection:
            return connection.execute(query).fetchall()
    with psycopg.connect(
        host=config.host, port=config.port, dbname=config.db, user=config.user, password=config.password
    ) as server:
        return server.execute(query.encode()).fetchall()


def _definition(config: Any, table: str) -> str:
    if hasattr(config, "db_path"):
        return str(_raw(config, f"SELECT sql FROM sqlite_master WHERE name = '{table}'"))  # noqa: S608
    columns = f"FROM information_schema.columns WHERE table_name = '{table}' ORDER BY ordinal_position"
    return str(_raw(config, f"SELECT column_name, data_type, is_nullable, column_default {columns}"))
