"""What a database promises to those who use it: groups, faults, cancellations, event loops."""

import asyncio
import json
import random
import threading
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import IntegrityError

from providers.stores.database import QUEUE_BYTES, Database, DatabaseConfig, open_database
from providers.stores.errors import Duplicate, StoreUnavailable
from tests.integration.stores.texts import add, create, ids, put, sqlite_config, stored_ids

ROWS = [f"{number:03}" for number in range(300)]


def test_the_same_database_is_the_same_object(config: DatabaseConfig) -> None:
    assert open_database(config) is open_database(config.model_copy())


def test_databases_in_memory_are_apart() -> None:
    async def use() -> tuple[list[str], list[str]]:
        one, other = open_database(sqlite_config(Path(":memory:"))), open_database(sqlite_config(Path(":memory:")))
        for database in (one, other):
            await create(database)
        await add(one, "a")
        found = await ids(one), await ids(other)
        one.close_now()
        other.close_now()
        return found

    assert asyncio.run(use()) == (["a"], [])


def test_what_was_written_can_be_read(database: Database) -> None:
    async def use() -> list[str]:
        await create(database)
        await asyncio.gather(*(add(database, row) for row in ROWS))
        return await ids(database)

    assert asyncio.run(use()) == ROWS


def test_it_works_from_two_event_loops_one_after_the_other(database: Database) -> None:
    asyncio.run(create(database))
    asyncio.run(add(database, "a"))
    asyncio.run(add(database, "b"))

    assert asyncio.run(ids(database)) == ["a", "b"]


def test_it_works_from_several_event_loops_at_a_time(database: Database) -> None:
    asyncio.run(create(database))
    failed: list[BaseException] = []

    async def fill(part: list[str]) -> None:
        await asyncio.gather(*(add(database, row) for row in part))

    def loop(part: list[str]) -> None:
        try:
            asyncio.run(fill(part))
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=loop, args=(ROWS[start::4],)) for start in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failed == []
    assert asyncio.run(ids(database)) == ROWS


def test_one_who_fails_does_not_harm_the_others_of_the_group(database: Database) -> None:
    async def use() -> tuple[list[Any], list[str]]:
        await create(database)
        await add(database, "taken")
        held, release = await _hold(database)  # so that all others come into one group
        writes = [
            add(database, "a"),
            add(database, "taken"),
            database.insert("texts", {"id": "without text", "text": None, "number": None}),
            database.insert("texts", {"id": "surrogate", "text": "\ud800", "number": None}),
            database.write(lambda connection: put(connection, "b")),
            database.write(_put_and_fail),
            database.write(lambda connection: put(connection, "taken")),
            database.write(lambda connection: 5),
            add(database, "c"),
        ]
        gathered = asyncio.gather(*writes, return_exceptions=True)
        await asyncio.sleep(0)
        release.set()
        await held
        return await gathered, await ids(database)

    outcomes, stored = asyncio.run(use())

    assert stored == ["a", "b", "c", "taken"]
    kinds = [type(outcome) for outcome in outcomes]
    assert kinds == [
        *(type(None), Duplicate, ValueError, UnicodeEncodeError, type(None)),
        *(KeyError, IntegrityError, int, type(None)),
    ]


def test_messages_do_not_tell_what_was_to_be_stored(database: Database) -> None:
    async def use() -> str:
        await create(database)
        with pytest.raises(ValueError, match="A row cannot be stored in the table texts") as raised:
            await database.insert("texts", {"id": "s3cr3t", "text": None, "number": None})
        return str(raised.value)

    assert "s3cr3t" not in asyncio.run(use())


def test_cancelled_requests_leave_nothing_behind(database: Database) -> None:
    """Neither a lock, nor half of what belongs together."""

    async def use() -> tuple[list[str], list[str]]:
        await create(database)
        acknowledged = []

        def put_both(connection: Connection, number: int) -> None:
            put(connection, f"{number:04}-1")
            put(connection, f"{number:04}-2")

        async def one(number: int) -> None:
            await database.write(lambda connection: put_both(connection, number))
            await add(database, f"{number:04}-3")
            acknowledged.append(f"{number:04}-3")

        dice = random.Random(1)
        for start in range(0, 600, 20):
            tasks = [asyncio.create_task(one(number)) for number in range(start, start + 20)]
            await asyncio.sleep(dice.random() * 0.004)
            for task in dice.sample(tasks, 10):
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        await add(database, "last")
        return await ids(database), acknowledged

    stored, acknowledged = asyncio.run(use())

    assert stored[-1] == "last"
    assert {name[:5] + "2" for name in stored if name.endswith("-1")} == {n for n in stored if n.endswith("-2")}
    assert set(acknowledged) <= set(stored)
    assert 300 <= len(acknowledged) < 600  # so that some were cancelled


def test_what_was_cancelled_before_its_turn_is_not_done(database: Database) -> None:
    async def use() -> list[str]:
        await create(database)
        held, release = await _hold(database)
        waiting = asyncio.create_task(add(database, "a"))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        release.set()
        await held
        return await ids(database)

    assert asyncio.run(use()) == []


def test_reads_do_not_wait_for_the_writer(database: Database) -> None:
    async def use() -> list[str]:
        await create(database)
        await add(database, "a")
        held, release = await _hold(database)
        found = await ids(database)
        assert not held.done()
        release.set()
        await held
        return found

    assert asyncio.run(use()) == ["a"]


def test_closing_writes_what_is_waiting(database: Database) -> None:
    async def use() -> list[str]:
        await create(database)
        writes = [asyncio.create_task(add(database, row)) for row in ROWS]
        await asyncio.sleep(0)
        await database.close()
        await asyncio.gather(*writes)
        return await ids(database)  # opened again

    assert asyncio.run(use()) == ROWS


def test_more_than_memory_should_hold_is_refused(database: Database) -> None:
    async def use() -> tuple[int, list[str]]:
        await create(database)
        held, release = await _hold(database)
        large = "x" * (QUEUE_BYTES // 8)
        writes = [asyncio.create_task(add(database, str(number), large)) for number in range(20)]
        await asyncio.sleep(0.05)
        refused = [str(task.exception()) for task in writes if task.done()]
        assert set(refused) == {f"The {database} cannot be used: too many writes are waiting for it already"}
        release.set()
        await asyncio.gather(held, *writes, return_exceptions=True)
        await add(database, "after")
        return len(refused), await ids(database)

    refused, stored = asyncio.run(use())

    assert refused == 12
    assert len(stored) == 20 - refused + 1


def test_a_read_does_not_write(tmp_path: Path) -> None:
    database = open_database(sqlite_config(tmp_path / "texts.db"))

    async def use() -> None:
        await create(database)
        with pytest.raises(StoreUnavailable, match="attempt to write a readonly database"):
            await database.read(lambda connection: put(connection, "a"))

    asyncio.run(use())
    database.close_now()


def test_commits_are_durable(database: Database) -> None:
    """SQLite: WAL with synchronous=FULL (2). PostgreSQL: synchronous_commit, also where it was switched off for all."""

    async def use() -> Any:
        if "SQLite" in str(database):
            names = ("journal_mode", "synchronous")
            return await database.write(lambda one: [one.execute(text(f"PRAGMA {name}")).scalar() for name in names])
        await database.write(_switch_off_durability)
        await database.close()
        return await database.write(lambda one: one.execute(text("SHOW synchronous_commit")).scalar())

    assert asyncio.run(use()) in (["wal", 2], "on")


def test_json_is_given_as_text(database: Database) -> None:
    async def use() -> Any:
        await database.write(lambda one: one.execute(text("CREATE TABLE documents (id VARCHAR, document JSON)")))
        document = json.dumps({"quote": "'", "percent": "%s", "backslash": "\\n", "umlaut": "ü"})
        await database.insert("documents", {"id": "a", "document": document})
        found = await database.read(lambda one: one.execute(text("SELECT document FROM documents")).scalar())
        return json.loads(found) if isinstance(found, str) else found

    assert asyncio.run(use()) == {"quote": "'", "percent": "%s", "backslash": "\\n", "umlaut": "ü"}


async def _hold(database: Database) -> tuple[asyncio.Task[bool], threading.Event]:
    """Keep the writer busy until the event is set."""
    begun, release = threading.Event(), threading.Event()

    def wait(connection: Connection) -> bool:
        begun.set()
        return release.wait(10)

    held = asyncio.create_task(database.write(wait))
    await asyncio.to_thread(begun.wait)
    return held, release


def _put_and_fail(connection: Connection) -> None:
    put(connection, "half")
    assert "half" in stored_ids(connection)
    raise KeyError("half")


def _switch_off_durability(connection: Connection) -> None:
    name = connection.execute(text("SELECT current_database()")).scalar()
    connection.execute(text(f"ALTER DATABASE {name} SET synchronous_commit = off"))
