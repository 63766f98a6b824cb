"""Transactions: all or nothing, in every event loop, with others beside them."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from llama_stack.core.storage.datatypes import SqlStoreReference
from sqlalchemy import text

from providers.files.database import Database

INSERT = text("INSERT INTO numbers VALUES (:number)")


@pytest.fixture
def database(sql_backend: SqlStoreReference) -> Database:
    """A database with a table of numbers."""
    database = Database(sql_backend)

    async def create() -> None:
        async with database.transaction() as connection:
            await connection.execute(text("CREATE TABLE numbers (number INTEGER UNIQUE)"))
        await database.close()

    asyncio.run(create())
    return database


async def insert(database: Database, *numbers: int, durable: bool = False) -> None:
    """Insert numbers in one transaction."""
    async with database.transaction(durable=durable) as connection:
        for number in numbers:
            await connection.execute(INSERT, {"number": number})


async def numbers(database: Database) -> list[int]:
    """The numbers in the table."""
    async with database.transaction() as connection:
        return list((await connection.execute(text("SELECT number FROM numbers ORDER BY number"))).scalars())


@pytest.mark.parametrize("durable", [False, True])
def test_a_transaction_that_fails_is_rolled_back_and_holds_up_nobody(
    database: Database, tmp_path: Path, durable: bool
) -> None:
    async def use() -> list[int]:
        await insert(database, 1, durable=durable)
        with pytest.raises(Exception, match="UNIQUE constraint"):
            await insert(database, 2, 1, durable=durable)
        with closing(sqlite3.connect(tmp_path / "sql.db", timeout=0, isolation_level=None)) as other_process:
            other_process.execute("BEGIN IMMEDIATE")
        await insert(database, 3, durable=durable)
        try:
            return await numbers(database)
        finally:
            await database.close()

    assert asyncio.run(use()) == [1, 3]


def test_a_transaction_that_is_cancelled_is_rolled_back(database: Database) -> None:
    async def use() -> list[int]:
        begun = asyncio.Event()

        async def hang() -> None:
            async with database.exclusive("test") as connection:
                await connection.execute(text("INSERT INTO numbers VALUES (1)"))
                begun.set()
                await asyncio.Event().wait()

        task = asyncio.create_task(hang())
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await insert(database, 2)
        try:
            return await numbers(database)
        finally:
            await database.close()

    assert asyncio.run(use()) == [2]


def test_every_event_loop_has_its_own_connections(database: Database) -> None:
    async def use(number: int) -> list[int]:
        await insert(database, number)
        await database.close()
        found = await numbers(database)
        await database.close()
        return found

    assert asyncio.run(use(1)) == [1]
    assert asyncio.run(use(2)) == [1, 2]


def test_exclusive_transactions_come_one_after_the_other(database: Database) -> None:
    async def count() -> None:
        async with database.exclusive("test") as connection:
            highest = (await connection.execute(text("SELECT coalesce(max(number), 0) FROM numbers"))).scalar_one()
            await asyncio.sleep(0)
            await connection.execute(INSERT, {"number": highest + 1})

    async def use() -> list[int]:
        await asyncio.gather(*(count() for _ in range(5)))
        found = await numbers(database)
        await database.close()
        return found

    assert asyncio.run(use()) == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(("durable", "level"), [(False, 1), (True, 2)])
def test_only_what_has_to_survive_a_power_cut_waits_for_the_disk(database: Database, durable: bool, level: int) -> None:
    async def use() -> tuple[str, int]:
        async with database.transaction(durable=durable) as connection:
            journal = (await connection.exec_driver_sql("PRAGMA journal_mode")).scalar_one()
            synchronous = (await connection.exec_driver_sql("PRAGMA synchronous")).scalar_one()
        await database.close()
        return journal, synchronous

    assert asyncio.run(use()) == ("wal", level)
