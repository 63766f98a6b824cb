"""Databases that are away, that hang, that are full or may not be written: said clearly, and over when it is over."""

import asyncio
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from sqlalchemy import Connection, text

from providers.stores import database as database_module
from providers.stores import postgres_database
from providers.stores.database import open_database
from providers.stores.errors import StoreUnavailable
from providers.stores.session import OutcomeUnknown
from tests.integration.stores.clients import check_stored
from tests.integration.stores.texts import add, create, ids, postgres_config, put_both, sqlite_config
from tests.support import postgres as postgres_server
from tests.support.forwarder import forward
from tests.support.postgres import Cluster, Postgres
from tests.support.process import NotInstalled
from tests.support.small_disk import mounted


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A PostgreSQL server that does not run yet."""
    with ExitStack() as stack:
        try:
            started = stack.enter_context(postgres_server.prepared())
        except NotInstalled as missing:
            pytest.skip(str(missing))
        yield started


def test_a_server_that_was_away_is_used_again(cluster: Cluster) -> None:
    async def both() -> tuple[Any, ...]:
        return tuple(await asyncio.gather(add(database, "away"), ids(database), return_exceptions=True))

    with cluster.running():
        database = open_database(postgres_config(cluster.address.new_database()))
        asyncio.run(create(database))
        asyncio.run(add(database, "before"))
        assert asyncio.run(ids(database)) == ["before"]
    for error in asyncio.run(both()):
        assert isinstance(error, StoreUnavailable)
        assert str(error).startswith(f"The {database} cannot be used: connection to server at")
        assert cluster.address.password not in str(error)
    with cluster.running():
        asyncio.run(add(database, "after"))
        assert asyncio.run(ids(database)) == ["after", "before"]
    database.close_now()


def test_a_server_that_hangs_is_given_up(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopped in the midst of it, it takes connections still and answers nothing."""
    monkeypatch.setattr(database_module, "TIMEOUT", 1.0)

    async def use_hanging() -> tuple[list[Any], int]:
        turns = 0
        writes = asyncio.gather(
            *(add(database, f"hanging-{number}") for number in range(20)), ids(database), return_exceptions=True
        )
        while not writes.done():
            await asyncio.sleep(0.01)
            turns += 1
        return list(await writes), turns

    with cluster.running():
        database = open_database(postgres_config(cluster.address.new_database()))
        asyncio.run(create(database))
        asyncio.run(add(database, "before"))
        asyncio.run(ids(database))
        with postgres_server.hanging(cluster.address):
            outcomes, turns = asyncio.run(use_hanging())
        assert {str(outcome) for outcome in outcomes} == {
            f"The {database} cannot be used: it has not answered for 1 seconds"
        }
        assert turns > 10  # the event loop went on meanwhile
        asyncio.run(add(database, "after"))
        assert {"after", "before"} <= set(asyncio.run(ids(database)))
    database.close_now()


def test_broken_connections_neither_lose_nor_double(postgres: Postgres) -> None:
    """They break at any byte, between a commit and its answer too; the table has no key that would forbid a double."""
    server = postgres.new_database()
    with forward(server.port) as line:
        database = open_database(postgres_config(replace(server, port=line.port)))
        acknowledged: list[str] = []

        async def write(number: int) -> None:
            for turn in range(40):
                row = f"{number}-{turn}"
                try:
                    if turn % 3:
                        await add(database, row)
                    else:
                        await database.write(partial(put_both, row))
                except StoreUnavailable:
                    await asyncio.sleep(0.05)
                else:
                    acknowledged.append(row)

        async def use() -> None:
            await database.write(_create_without_key)
            line.hang_up_at = [line.received + step for step in range(3_000, 200_000, 4_001)]
            await asyncio.gather(*(write(number) for number in range(20)))

        asyncio.run(use())
        line.hang_up_at.clear()
        broken = line.connections
        check_stored(database, acknowledged)
        database.close_now()
    assert broken > 10
    assert len(acknowledged) > 400


@pytest.mark.parametrize("is_committed", [True, False])
def test_a_commit_whose_answer_is_lost_is_looked_up(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch, is_committed: bool
) -> None:
    """The connection ends when COMMIT was sent, or just before it could be."""
    server = postgres.new_database()
    database = open_database(postgres_config(server))
    commit = postgres_database.PostgresSession._commit
    broken: list[int] = []

    def breaking(session: Any) -> None:
        if broken:
            commit(session)
            return
        (transaction,) = session._cursor.fetchone()
        broken.append(transaction)
        if is_committed:
            session._cursor.execute("COMMIT")
        session._driver.close()
        raise OutcomeUnknown(transaction)

    async def use() -> list[str]:
        await database.write(_create_without_key)
        monkeypatch.setattr(postgres_database.PostgresSession, "_commit", breaking)
        await asyncio.gather(add(database, "a"), add(database, "b"), add(database, "c"))
        return await ids(database)

    assert asyncio.run(use()) == ["a", "b", "c"]
    assert len(broken) == 1
    database.close_now()


def test_a_session_goes_on_after_what_was_refused(postgres: Postgres) -> None:
    """A role that may not write is no fault of the statement; when it may, the same connection writes."""
    server = postgres.new_database()
    role = f"writer_{uuid4().hex}"
    postgres.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{postgres.password}'")
    server.execute("CREATE TABLE texts (id VARCHAR PRIMARY KEY, text VARCHAR, number INTEGER)")
    database = open_database(postgres_config(replace(server, user=role)))

    async def write(name: str) -> int:
        await add(database, name)
        return await database.write(lambda connection: connection.execute(text("SELECT pg_backend_pid()")).scalar_one())

    for _ in range(2):
        with pytest.raises(StoreUnavailable, match="permission denied for table texts"):
            asyncio.run(write("a"))
    first = asyncio.run(database.write(lambda one: one.execute(text("SELECT pg_backend_pid()")).scalar_one()))
    server.execute(f"GRANT ALL ON texts TO {role}")
    assert asyncio.run(write("a")) == first
    database.close_now()


def test_who_loses_a_deadlock_is_done_again(postgres: Postgres) -> None:
    """Another process holds one row and wants the other."""
    server = postgres.new_database()
    database = open_database(postgres_config(server))
    asyncio.run(create(database))
    asyncio.run(add(database, "a"))
    asyncio.run(add(database, "b"))
    change = "UPDATE texts SET number = coalesce(number, 0) + 1 WHERE id = '{}'"

    def change_both(connection: Connection) -> None:
        connection.execute(text(change.format("a")))
        holds_one.set()
        assert other_waits.wait(10)
        connection.execute(text(change.format("b")))

    def other() -> None:
        with psycopg.connect(server.url) as connection:
            connection.execute("SET deadlock_timeout = '1h'")  # so that the one to give way is ours
            connection.execute(change.format("b").encode())
            assert holds_one.wait(10)
            other_waits.set()
            connection.execute(change.format("a").encode())

    holds_one, other_waits = threading.Event(), threading.Event()
    thread = threading.Thread(target=other)
    thread.start()
    asyncio.run(database.write(change_both))
    thread.join()

    numbers = asyncio.run(database.read(lambda one: one.execute(text("SELECT number FROM texts")).scalars().all()))
    assert numbers == [2, 2]
    database.close_now()


def test_a_full_disk_is_said_and_nothing_is_lost(tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", 1) as disk:
        database = open_database(sqlite_config(disk / "texts.db"))

        async def fill() -> list[str]:
            await create(database)
            stored: list[str] = []
            with pytest.raises(StoreUnavailable, match=f"The SQLite file {disk}/texts.db cannot be used: .*full"):
                while True:
                    row = f"row-{len(stored)}"
                    await database.write(partial(put_both, row))
                    stored += [row, f"{row}b"]
            assert await ids(database) == sorted(stored)
            return stored

        assert asyncio.run(fill())
        subprocess.run(["mount", "-o", "remount,size=2m", disk], check=True)
        asyncio.run(add(database, "after"))
        database.close_now()


def test_a_read_only_disk_is_said(tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", 2) as disk:
        database = open_database(sqlite_config(disk / "texts.db"))
        asyncio.run(create(database))
        database.close_now()
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)

        with pytest.raises(
            StoreUnavailable, match=f"The SQLite file {disk}/texts.db cannot be used: .*(open|readonly)"
        ):
            asyncio.run(add(database, "a"))
        database.close_now()


def test_what_is_no_database_is_said(tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("a text, which is long enough to be none of SQLite's own files " * 20)
    (tmp_path / "directory.db").mkdir()

    for name, reason in {"text.db": "file is not a database", "directory.db": "unable to open database file"}.items():
        database = open_database(sqlite_config(tmp_path / name))
        for use in (create, ids):
            with pytest.raises(StoreUnavailable, match=f"The SQLite file {tmp_path}/{name} cannot be used: {reason}"):
                asyncio.run(use(database))
        database.close_now()


def _create_without_key(connection: Connection) -> None:
    connection.execute(text("CREATE TABLE texts (id VARCHAR, text VARCHAR, number INTEGER)"))
