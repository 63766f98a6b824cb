"""What is done while nobody asks."""

import asyncio
from pathlib import Path

import pytest
from llama_stack.core.storage.datatypes import SqlStoreReference

from providers.files.catalog import Catalog
from providers.files.config import LocalFilesConfig
from providers.files.errors import StorageError
from providers.files.housekeeping import keep_house
from providers.files.local.directory import Directory, DirectoryReader
from providers.files.storage import FileStorage
from tests.unit.providers.files.conftest import SQL_BACKEND, TABLE, Shelf, file_record

PROMPTLY = 0.01


def config(directory: Path, **options: float) -> LocalFilesConfig:
    """Settings of a provider that looks after its files all the time."""
    metadata = SqlStoreReference(backend=SQL_BACKEND, table_name=TABLE)
    fields = {"storage_dir": str(directory), "metadata_store": metadata, "sweep_interval_secs": PROMPTLY}
    return LocalFilesConfig.model_validate(fields | options)


def test_it_sweeps_expires_and_verifies(shelf: Shelf) -> None:
    for name in ("file-abandoned", "file-over", "file-unread"):
        (shelf.directory / name).write_bytes(b"abc")

    async def use() -> None:
        await shelf.catalog.begin("file-abandoned")
        await shelf.insert(file_record("file-over", expires_at=1))
        await shelf.insert(file_record("file-unread", sha256=None, verified_at=None))
        impatient = FileStorage(Directory(shelf.directory), shelf.catalog, max_file_bytes=None, abandoned_after_secs=0)
        async with keep_house(impatient, config(shelf.directory)), asyncio.timeout(30):
            while shelf.contents() != ["file-unread"] or not await _sha256(shelf.catalog, "file-unread"):
                await asyncio.sleep(PROMPTLY)
        impatient.close()

    shelf.run(use())


def test_it_goes_on_after_an_error_and_past_a_file_that_cannot_be_read(shelf: Shelf) -> None:
    class Partly(Directory):
        def open(self, key: str, start: int, stop: int) -> DirectoryReader:
            if key == "file-1":
                raise StorageError("input/output error")
            return super().open(key, start, stop)

    for name in ("file-1", "file-2"):
        (shelf.directory / name).write_bytes(b"abc")
    storage = FileStorage(Partly(shelf.directory), shelf.catalog, max_file_bytes=None, abandoned_after_secs=900)

    async def use() -> None:
        await shelf.insert(*(file_record(name, sha256=None, verified_at=None) for name in ("file-1", "file-2")))
        async with keep_house(storage, config(shelf.directory)), asyncio.timeout(30):
            while not await _sha256(shelf.catalog, "file-2"):
                await asyncio.sleep(PROMPTLY)
        assert await _sha256(shelf.catalog, "file-1") is None
        assert await shelf.catalog.damaged() == []

    shelf.run(use())
    storage.close()


@pytest.mark.parametrize(("scrub_days", "is_read"), [(None, False), (1, True)])
def test_files_are_read_again_if_the_config_says_so(shelf: Shelf, scrub_days: float | None, is_read: bool) -> None:
    (shelf.directory / "file-1").write_bytes(b"xyz")
    (shelf.directory / "file-mark").write_bytes(b"abc")
    options = {"scrub_days": scrub_days} if scrub_days else {}

    async def use() -> list[str]:
        await shelf.insert(
            file_record("file-1", verified_at=1),
            # Its turn comes after the other's.
            file_record("file-mark", sha256=None, verified_at=2),
        )
        async with keep_house(shelf.storage, config(shelf.directory, **options)), asyncio.timeout(30):
            while not await _sha256(shelf.catalog, "file-mark"):
                await asyncio.sleep(PROMPTLY)
        return await shelf.catalog.damaged()

    assert shelf.run(use()) == (["file-1"] if is_read else [])


def test_it_ends_with_its_block(shelf: Shelf) -> None:
    async def use() -> set[asyncio.Task[object]]:
        before = asyncio.all_tasks()
        async with keep_house(shelf.storage, config(shelf.directory)):
            assert asyncio.all_tasks() > before
        return asyncio.all_tasks() - before

    assert shelf.run(use()) == set()


async def _sha256(catalog: Catalog, file_id: str) -> str | None:
    file = await catalog.get(file_id)
    return file.sha256 if file else None
