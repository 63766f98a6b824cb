"""Files that llama-stack's own providers have stored."""

import pytest
from llama_stack.apis.files import ExpiresAfter
from sqlalchemy import Connection, text

from providers.access.records import Owner
from providers.files.catalog import Catalog
from providers.files.migration import ORIGIN_TABLE, adopt
from providers.files.records import FileRecord
from providers.files.tables import Tables
from tests.unit.providers.files.conftest import Shelf, file_record

CREATE = (
    f"CREATE TABLE {ORIGIN_TABLE} (id VARCHAR PRIMARY KEY, filename VARCHAR, purpose VARCHAR, bytes INTEGER,"
    " created_at INTEGER, expires_at INTEGER, owner_principal VARCHAR, access_attributes JSON)"
)
CREATED = 4_000_000_000  # far in the future, as is all that follows from it
INSERT = f"INSERT INTO {ORIGIN_TABLE} VALUES (:id, 'a.txt', 'batch', 3, {CREATED}, :expires_at, :owner, :attributes)"  # noqa: S608


async def create_origin(shelf: Shelf, *, expires_at: int = CREATED + 3600, count: int = 1) -> None:
    """Have upstream's table with some rows, file-0 and so on."""

    def create(connection: Connection) -> None:
        connection.execute(text(CREATE))
        for number in range(count):
            row = {"id": f"file-{number}", "expires_at": expires_at, "owner": "alice", "attributes": '{"teams": ["a"]}'}
            connection.execute(text(INSERT), row)

    await shelf.database.write(create)


async def everything(ids: set[str]) -> set[str]:
    """A store that has all contents."""
    return ids


async def take_over(shelf: Shelf) -> bool:
    """Take over from upstream's table, and say whether there is one."""
    shelf.catalog.origin = await adopt(shelf.database, shelf.tables, everything)
    return shelf.catalog.origin is not None


@pytest.mark.parametrize(
    ("lifetime", "expires_at"),
    [(3600, CREATED + 3600), (ExpiresAfter.MAX, CREATED + ExpiresAfter.MAX), (ExpiresAfter.MAX + 1, None)],
)
def test_a_file_is_taken_over_with_its_expiry_if_a_client_can_have_asked_for_it(
    shelf: Shelf, lifetime: int, expires_at: int | None
) -> None:
    async def use() -> FileRecord | None:
        await create_origin(shelf, expires_at=CREATED + lifetime)
        assert await take_over(shelf)
        return await shelf.catalog.get("file-0")

    assert shelf.run(use()) == FileRecord(
        id="file-0",
        filename="a.txt",
        purpose="batch",
        bytes=3,
        created_at=CREATED,
        expires_at=expires_at,
        sha256=None,
        owner=Owner("alice", {"teams": ["a"]}),
    )


def test_only_files_whose_contents_are_here_are_taken_over(shelf: Shelf) -> None:
    asked = []

    async def is_stored(ids: set[str]) -> set[str]:
        asked.append(ids)
        return ids - {"file-0"}

    async def use() -> list[str]:
        await create_origin(shelf, count=3)
        await adopt(shelf.database, shelf.tables, is_stored)
        await adopt(shelf.database, shelf.tables, is_stored)
        files = shelf.catalog.walk(newest_first=False, after=None, purpose=None, only_of=None)
        return [file.id async for file in files]

    assert shelf.run(use()) == ["file-1", "file-2"]
    assert asked == [{"file-0", "file-1", "file-2"}, {"file-0"}]


def test_many_files_are_taken_over(shelf: Shelf) -> None:
    async def use() -> int:
        await create_origin(shelf, count=1201)
        await take_over(shelf)
        files = shelf.catalog.walk(newest_first=True, after=None, purpose=None, only_of=None)
        return len([file async for file in files])

    assert shelf.run(use()) == 1201


def test_what_is_removed_does_not_come_back_with_the_next_start(shelf: Shelf) -> None:
    async def use() -> None:
        await create_origin(shelf)
        await take_over(shelf)
        await shelf.catalog.remove("file-0")
        await take_over(shelf)
        assert await shelf.catalog.get("file-0") is None

    shelf.run(use())


@pytest.mark.parametrize("statement", [None, f"CREATE TABLE {ORIGIN_TABLE} (id VARCHAR, something VARCHAR)"])
def test_there_may_be_nothing_to_take_over(shelf: Shelf, statement: str | None) -> None:
    async def use() -> bool:
        if statement:
            await shelf.database.write(lambda connection: connection.execute(text(statement)).rowcount)
        return await take_over(shelf)

    assert not shelf.run(use())


def test_upstreams_own_table_can_go_on_as_ours(shelf: Shelf) -> None:
    tables = Tables.named(ORIGIN_TABLE)
    catalog = Catalog(shelf.database, tables)

    async def use() -> list[int | None]:
        await create_origin(shelf, expires_at=CREATED + ExpiresAfter.MAX + 1)
        await shelf.database.write(tables.create_or_upgrade)
        late = file_record("file-ours", created_at=1, expires_at=CREATED)
        await catalog.begin(late.id)
        await catalog.finish(late)
        assert await adopt(shelf.database, tables, everything) is None
        files = [await catalog.get(file_id) for file_id in ("file-0", "file-ours")]
        return [file.expires_at for file in files if file]

    assert shelf.run(use()) == [None, CREATED]
