"""Rows and journal: what an upload, a delete, an expiry and a sweep do to them, in every order."""

import time
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import Connection, column, insert, select, update
from sqlalchemy import table as table_clause

from providers.access.records import Owner
from providers.files import catalog as catalog_module
from providers.files.catalog import Catalog
from providers.files.errors import UploadGivenUp
from providers.files.records import FileRecord
from tests.unit.providers.files.conftest import Shelf, file_record

# Seconds in which no test comes.
LONG = 3600
AT_ONCE = 0
PAST, FUTURE = int(time.time()) - LONG, int(time.time()) + LONG


async def ids_of(files: AsyncIterator[FileRecord]) -> list[str]:
    """The ids in the order in which they come."""
    return [file.id async for file in files]


async def walk(
    catalog: Catalog,
    *,
    newest_first: bool = False,
    after: FileRecord | None = None,
    purpose: str | None = None,
    only_of: str | None = None,
) -> list[str]:
    """The ids of a walk."""
    return await ids_of(catalog.walk(newest_first=newest_first, after=after, purpose=purpose, only_of=only_of))


@pytest.mark.parametrize(
    "file",
    [
        file_record("file-1"),
        file_record("file-1", expires_at=FUTURE, sha256=None, verified_at=None),
        file_record("file-1", bytes=5 << 40, filename="Grüße \n\"'"),
        file_record("file-1", owner=Owner("alice", {"teams": ["a", "b"]})),
    ],
)
def test_a_finished_upload_is_as_it_was_recorded(shelf: Shelf, file: FileRecord) -> None:
    async def use() -> FileRecord | None:
        await shelf.catalog.begin(file.id)
        assert await shelf.catalog.get(file.id) is None
        assert await shelf.catalog.touch(file.id)
        await shelf.catalog.finish(file)
        assert not await shelf.catalog.touch(file.id)
        assert not await shelf.catalog.claim(file.id)
        return await shelf.catalog.get(file.id)

    assert shelf.run(use()) == file


def test_an_upload_that_was_swept_does_not_come_to_its_end(shelf: Shelf) -> None:
    async def use() -> None:
        await shelf.catalog.begin("file-1")
        assert await shelf.catalog.claim_abandoned(LONG) == []
        assert await shelf.catalog.claim_abandoned(AT_ONCE) == ["file-1"]
        assert not await shelf.catalog.touch("file-1")
        assert not await shelf.catalog.claim("file-1")
        with pytest.raises(UploadGivenUp, match="file-1 was taken for dead"):
            await shelf.catalog.finish(file_record("file-1"))
        assert await shelf.catalog.get("file-1") is None

    shelf.run(use())


def test_an_upload_that_has_failed_cannot_be_finished(shelf: Shelf) -> None:
    async def use() -> None:
        await shelf.catalog.begin("file-1")
        assert await shelf.catalog.claim("file-1")
        with pytest.raises(UploadGivenUp):
            await shelf.catalog.finish(file_record("file-1"))

    shelf.run(use())


def test_what_a_sweep_has_claimed_is_another_sweeps_when_it_comes_to_nothing(shelf: Shelf) -> None:
    async def use() -> None:
        await shelf.catalog.begin("file-1")
        long_ago = update(shelf.tables.journal).values(touched_at=PAST)
        await shelf.database.write(lambda connection: connection.execute(long_ago).rowcount)
        assert await shelf.catalog.claim_abandoned(LONG) == ["file-1"]
        assert await shelf.catalog.claim_abandoned(LONG) == []
        assert await shelf.catalog.claim_abandoned(AT_ONCE) == ["file-1"]
        await shelf.catalog.forget("file-1")
        assert await shelf.catalog.claim_abandoned(AT_ONCE) == []

    shelf.run(use())


def test_a_removed_file_is_in_the_journal_until_its_object_is_gone(shelf: Shelf) -> None:
    async def use() -> None:
        await shelf.insert(file_record("file-1"), file_record("file-2"))
        assert await shelf.catalog.remove("file-1")
        assert not await shelf.catalog.remove("file-1")
        assert await shelf.catalog.get("file-1") is None
        assert await walk(shelf.catalog) == ["file-2"]
        assert await shelf.catalog.claim_abandoned(AT_ONCE) == ["file-1"]

    shelf.run(use())


def test_a_removed_file_is_removed_where_it_was_taken_over_from(shelf: Shelf) -> None:
    async def use() -> list[str]:
        origin = table_clause("openai_files", column("id"))

        def create(connection: Connection) -> None:
            connection.exec_driver_sql("CREATE TABLE openai_files (id VARCHAR)")
            connection.execute(insert(origin).values([{"id": "file-1"}, {"id": "file-2"}]))

        await shelf.database.write(create)
        shelf.catalog.origin = origin
        await shelf.insert(file_record("file-1"))
        await shelf.catalog.remove("file-1")
        return await shelf.database.read(lambda connection: list(connection.execute(select(origin.c.id)).scalars()))

    assert shelf.run(use()) == ["file-2"]


def test_a_file_is_there_until_it_expires(shelf: Shelf) -> None:
    async def use() -> None:
        await shelf.insert(
            file_record("file-never"),
            file_record("file-over", expires_at=PAST),
            file_record("file-on", expires_at=FUTURE),
        )
        assert await shelf.catalog.get("file-over") is None
        assert await walk(shelf.catalog) == ["file-never", "file-on"]
        assert await shelf.catalog.expired() == ["file-over"]

    shelf.run(use())


FILES = [
    file_record("file-b", created_at=2, purpose="batch"),
    file_record("file-a", created_at=2, owner=Owner("alice")),
    file_record("file-d", created_at=1),
    file_record("file-c", created_at=3, owner=Owner("", {"teams": ["a"]})),
    file_record("file-e", created_at=2),
]


@pytest.mark.parametrize("page_rows", [1, 2, 500])
def test_a_walk_goes_by_time_and_then_by_id(shelf: Shelf, monkeypatch: pytest.MonkeyPatch, page_rows: int) -> None:
    monkeypatch.setattr(catalog_module, "_PAGE_ROWS", page_rows)

    async def use() -> None:
        await shelf.insert(*FILES)
        assert await walk(shelf.catalog) == ["file-d", "file-a", "file-b", "file-e", "file-c"]
        assert await walk(shelf.catalog, newest_first=True) == ["file-c", "file-e", "file-b", "file-a", "file-d"]
        assert await walk(shelf.catalog, after=FILES[0]) == ["file-e", "file-c"]
        assert await walk(shelf.catalog, after=FILES[0], newest_first=True) == ["file-a", "file-d"]
        assert await walk(shelf.catalog, purpose="batch") == ["file-b"]
        assert await walk(shelf.catalog, only_of="") == ["file-d", "file-b", "file-e", "file-c"]

    shelf.run(use())


def test_a_file_that_nobody_has_read_is_claimed_once(shelf: Shelf) -> None:
    async def use() -> None:
        unread = file_record("file-unread", sha256=None, verified_at=None)
        await shelf.insert(file_record("file-read"), unread)
        assert await shelf.catalog.claim_unverified(None) == unread
        assert await shelf.catalog.claim_unverified(None) is None
        await shelf.catalog.record_check("file-unread", sha256="1" * 64, damage=None)
        assert await shelf.catalog.claim_unverified(None) is None

    shelf.run(use())


def test_files_are_claimed_again_when_their_turn_comes(shelf: Shelf) -> None:
    async def use() -> list[str]:
        await shelf.insert(
            file_record("file-recent", verified_at=int(time.time())),
            file_record("file-old", verified_at=2),
            file_record("file-older", verified_at=1),
            file_record("file-new", verified_at=None),
            file_record("file-over", verified_at=None, expires_at=PAST),
        )
        claimed = []
        while file := await shelf.catalog.claim_unverified(LONG):
            claimed.append(file.id)
        return claimed

    assert shelf.run(use()) == ["file-new", "file-older", "file-old"]


def test_a_file_whose_reading_came_to_nothing_is_claimed_again_after_a_day(shelf: Shelf) -> None:
    """A server that was stopped, or a store that did not answer, leaves a file without a SHA-256."""
    day = 86_400

    async def use() -> FileRecord | None:
        interrupted = int(time.time()) - day
        await shelf.insert(
            file_record("file-1", sha256=None, verified_at=interrupted - 60),
            file_record("file-2", sha256=None, verified_at=interrupted + 60),
        )
        claimed = await shelf.catalog.claim_unverified(None)
        assert await shelf.catalog.claim_unverified(None) is None
        return claimed

    claimed = shelf.run(use())
    assert claimed
    assert claimed.id == "file-1"


def test_damage_is_kept_until_a_reading_shows_none(shelf: Shelf) -> None:
    async def use() -> None:
        await shelf.insert(file_record("file-1"), file_record("file-2"))
        await shelf.catalog.record_check("file-1", sha256=None, damage="missing")
        assert await shelf.catalog.damaged() == ["file-1"]
        file = await shelf.catalog.get("file-1")
        assert file
        assert (file.damage, file.sha256) == ("missing", None)
        await shelf.catalog.record_check("file-1", sha256="1" * 64, damage=None)
        assert await shelf.catalog.damaged() == []

    shelf.run(use())
