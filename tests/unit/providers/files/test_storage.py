"""The life of a file, with a real directory and a real catalog; and what failures on the way leave."""

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator, Callable, Iterable
from typing import NoReturn

import pytest

from providers.access.records import Owner
from providers.files.checked_reader import CheckedReader
from providers.files.errors import FileDamaged, FileTooLarge, ObjectMissing, StorageError, UploadGivenUp
from providers.files.local.directory import Directory
from providers.files.records import FileRecord
from providers.files.storage import Description, FileStorage
from tests.unit.providers.files.conftest import Shelf, file_record

HOUR = 3600


async def pieces(*contents: bytes, error: Exception | None = None) -> AsyncIterator[bytes]:
    """A content as it comes in, and how it breaks off."""
    for content in contents:
        yield content
    if error:
        raise error


def description(expires_after_secs: int | None = None) -> Description:
    """What an upload says about itself."""
    return Description("a.txt", "assistants", Owner("alice"), expires_after_secs)


async def add(shelf: Shelf, *contents: bytes, expires_after_secs: int | None = None) -> FileRecord:
    """Store a file."""
    return await shelf.storage.add(pieces(*contents), lambda: description(expires_after_secs))


@pytest.mark.parametrize("contents", [(), (b"",), (b"abc",), (b"a", b"", b"bc" * 20)])
@pytest.mark.parametrize("lifetime", [None, HOUR])
def test_what_was_added_can_be_read_and_removed(shelf: Shelf, contents: Iterable[bytes], lifetime: int | None) -> None:
    whole = b"".join(contents)

    async def use() -> None:
        before = int(time.time())
        file = await add(shelf, *contents, expires_after_secs=lifetime)
        assert before <= file.created_at <= time.time()
        assert file == FileRecord(
            id=file.id,
            filename="a.txt",
            purpose="assistants",
            bytes=len(whole),
            created_at=file.created_at,
            expires_at=file.created_at + HOUR if lifetime else None,
            sha256=hashlib.sha256(whole).hexdigest(),
            verified_at=file.created_at,
            owner=Owner("alice"),
        )
        assert await shelf.catalog.get(file.id) == file
        assert await shelf.storage.read_whole(file) == whole
        assert shelf.contents() == [file.id]
        assert await shelf.storage.remove(file.id)
        assert not await shelf.storage.remove(file.id)
        assert shelf.contents() == []
        assert await shelf.catalog.claim_abandoned(0) == []

    shelf.run(use())


def fail() -> NoReturn:
    """Fail as a form's fields do that come after the file."""
    raise ValueError("no purpose")


@pytest.mark.parametrize(
    ("content", "describe", "error"),
    [
        (pieces(b"x" * 60, b"x" * 41), description, FileTooLarge("The file is larger than 100 bytes")),
        (pieces(b"abc", error=ConnectionError("gone")), description, ConnectionError("gone")),
        (pieces(b"abc"), fail, ValueError("no purpose")),
    ],
)
def test_of_an_upload_that_fails_nothing_stays(
    shelf: Shelf, content: AsyncIterator[bytes], describe: Callable[[], Description], error: Exception
) -> None:
    async def use() -> None:
        with pytest.raises(type(error), match=str(error)):
            await shelf.storage.add(content, describe)
        assert await shelf.catalog.claim_abandoned(0) == []

    shelf.run(use())
    assert shelf.contents() == []


def test_of_an_upload_that_was_swept_nothing_stays(shelf: Shelf) -> None:
    async def slow() -> AsyncIterator[bytes]:
        yield b"abc"
        assert len(await shelf.catalog.claim_abandoned(0)) == 1
        yield b"def"

    async def use() -> None:
        with pytest.raises(UploadGivenUp):
            await shelf.storage.add(slow(), description)
        assert await shelf.catalog.claim_abandoned(0) == []

    shelf.run(use())
    assert shelf.contents() == []


def test_a_sweep_clears_away_what_a_crash_left(shelf: Shelf) -> None:
    objects = Directory(shelf.directory)
    for key in ("file-written", "file-removed"):
        writer = objects.create(key)
        writer.write(b"abc")
        if key == "file-removed":
            writer.commit()

    async def use() -> None:
        kept = await add(shelf, b"kept")
        await shelf.catalog.begin("file-written")
        await shelf.insert(file_record("file-removed"))
        await shelf.catalog.remove("file-removed")
        await shelf.storage.sweep()
        assert shelf.contents() == sorted([kept.id, "file-removed", "file-written"])
        impatient = FileStorage(objects, shelf.catalog, max_file_bytes=None, abandoned_after_secs=0)
        await impatient.sweep()
        impatient.close()
        assert shelf.contents() == [kept.id]
        assert await shelf.catalog.claim_abandoned(0) == []

    shelf.run(use())


def test_files_whose_time_is_over_are_removed(shelf: Shelf) -> None:
    async def use() -> None:
        over = await add(shelf, b"over", expires_after_secs=0)
        stays = await add(shelf, b"stays", expires_after_secs=HOUR)
        assert await shelf.catalog.get(over.id) is None
        await shelf.storage.expire()
        assert shelf.contents() == [stays.id]

    shelf.run(use())


@pytest.mark.parametrize(
    ("content", "damage"),
    [(None, "missing"), (b"ab", "wrong length"), (b"abcd", "wrong length"), (b"abd", "wrong SHA-256")],
)
def test_a_damaged_content_is_noticed_noted_and_forgotten_once_mended(
    shelf: Shelf, content: bytes | None, damage: str
) -> None:
    async def use() -> None:
        file = await add(shelf, b"abc")
        path = shelf.directory / file.id
        if content is None:
            path.unlink()
        else:
            path.write_bytes(content)
        with pytest.raises(FileDamaged, match=damage):
            await shelf.storage.read_whole(file)
        assert await shelf.catalog.damaged() == [file.id]
        path.write_bytes(b"abc")
        noted = await shelf.catalog.get(file.id)
        assert noted
        await shelf.storage.verify(noted)
        mended = await shelf.catalog.get(file.id)
        assert mended
        assert (mended.damage, mended.sha256) == (None, file.sha256)

    shelf.run(use())


def test_a_stretch_cannot_be_compared_and_is_passed_on(shelf: Shelf) -> None:
    async def use() -> list[bytes]:
        file = await add(shelf, b"abc")
        (shelf.directory / file.id).write_bytes(b"xyz")
        reader = await shelf.storage.open(file, 1, 3)
        return [block async for block in shelf.storage.blocks(file, reader)]

    assert shelf.run(use()) == [b"yz"]


def test_a_file_that_was_removed_meanwhile_is_not_damaged(shelf: Shelf) -> None:
    async def use() -> None:
        file = await add(shelf, b"abc")
        await shelf.storage.remove(file.id)
        with pytest.raises(ObjectMissing):
            await shelf.storage.read_whole(file)
        await shelf.storage.verify(file)
        assert await shelf.catalog.damaged() == []

    shelf.run(use())


def test_a_file_without_sha256_gets_it_when_it_is_read(shelf: Shelf) -> None:
    (shelf.directory / "file-1").write_bytes(b"abc")

    async def use() -> str | None:
        file = file_record("file-1", sha256=None, verified_at=None)
        await shelf.insert(file)
        assert await shelf.storage.read_whole(file) == b"abc"
        read = await shelf.catalog.get("file-1")
        assert read
        return read.sha256

    assert shelf.run(use()) == hashlib.sha256(b"abc").hexdigest()


def test_a_content_shrinking_under_the_reader_is_damaged(shelf: Shelf) -> None:
    path = shelf.directory / "file-1"
    path.write_bytes(b"abcdef")
    reader = CheckedReader(Directory(shelf.directory), file_record("file-1", bytes=6), 0, 6)

    assert reader.read(3) == b"abc"
    path.write_bytes(b"abc")
    with pytest.raises(FileDamaged, match="wrong length"):
        reader.read(3)
    assert reader.sha256 is None
    reader.close()


@pytest.mark.parametrize(
    ("configured", "largest_object", "limit"), [(None, None, None), (5, None, 5), (None, 7, 7), (5, 7, 5), (9, 7, 7)]
)
def test_the_smaller_limit_holds(
    shelf: Shelf, configured: int | None, largest_object: int | None, limit: int | None
) -> None:
    objects = Directory(shelf.directory)
    objects.max_object_bytes = largest_object  # type: ignore[assignment]
    storage = FileStorage(objects, shelf.catalog, max_file_bytes=configured, abandoned_after_secs=1)

    assert storage.max_file_bytes == limit
    storage.require_allowed(limit or 1 << 50)
    if limit:
        with pytest.raises(FileTooLarge):
            storage.require_allowed(limit + 1)
    storage.close()


def test_a_removed_file_stays_removed_when_its_object_does_not_go(shelf: Shelf) -> None:
    class Stubborn(Directory):
        def delete(self, key: str) -> NoReturn:
            raise StorageError("read-only")

    stubborn = FileStorage(Stubborn(shelf.directory), shelf.catalog, max_file_bytes=None, abandoned_after_secs=0)

    async def use() -> None:
        file = await add(shelf, b"abc")
        assert await stubborn.remove(file.id)
        assert await shelf.catalog.get(file.id) is None
        await stubborn.sweep()
        assert shelf.contents() == [file.id]
        assert await shelf.catalog.claim_abandoned(0) == [file.id]

    shelf.run(use())
    stubborn.close()


def test_an_upload_that_is_cancelled_is_cleared_away(shelf: Shelf) -> None:
    async def use() -> None:
        begun = asyncio.Event()

        async def endless() -> AsyncIterator[bytes]:
            yield b"abc"
            begun.set()
            await asyncio.Event().wait()

        task = asyncio.create_task(shelf.storage.add(endless(), description))
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await shelf.catalog.claim_abandoned(0) == []

    shelf.run(use())
    assert shelf.contents() == []
