"""A catalog in a SQLite file, and a storage with its contents in a directory."""

import asyncio
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from llama_stack.core.storage.datatypes import SqliteSqlStoreConfig, SqlStoreReference
from llama_stack.providers.utils.sqlstore import sqlstore

from providers.files.catalog import Catalog
from providers.files.local.directory import Directory
from providers.files.records import FileRecord
from providers.files.storage import FileStorage
from providers.files.tables import Tables
from providers.stores import database_of
from providers.stores.database import Database

SQL_BACKEND = "sql_default"
TABLE = "files_metadata"


def file_record(file_id: str, **differences: Any) -> FileRecord:
    """A file without expiry, of which only what matters is said."""
    fields: dict[str, Any] = {
        "id": file_id,
        "filename": f"{file_id}.txt",
        "purpose": "assistants",
        "bytes": 3,
        "created_at": 1_700_000_000,
        "expires_at": None,
        "sha256": "0" * 64,
        "verified_at": 1_700_000_000,
    }
    return FileRecord(**fields | differences)


@dataclass(frozen=True)
class Shelf:
    """The parts of a files provider, and an event loop for what a test does with them."""

    directory: Path
    database: Database
    tables: Tables
    catalog: Catalog
    storage: FileStorage

    def run[T](self, work: Coroutine[Any, Any, T]) -> T:
        """Do something in an event loop of its own."""

        async def use() -> T:
            try:
                return await work
            finally:
                await self.database.close()

        return asyncio.run(use())

    async def create_tables(self) -> None:
        """Make the tables, or bring them up to date."""
        await self.database.write(self.tables.create_or_upgrade)

    async def insert(self, *files: FileRecord) -> None:
        """Have files in the catalog, as if they had been uploaded."""
        for file in files:
            await self.catalog.begin(file.id)
            await self.catalog.finish(file)

    def contents(self) -> list[str]:
        """What lies in the directory, finished or not."""
        return sorted(path.name for path in self.directory.rglob("*") if path.is_file())


@pytest.fixture
def sql_backend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SqlStoreReference:
    """A SQL backend as if a run config had it."""
    backends = {SQL_BACKEND: SqliteSqlStoreConfig(db_path=str(tmp_path / "sql.db"))}
    monkeypatch.setattr(sqlstore, "_SQLSTORE_BACKENDS", backends)
    return SqlStoreReference(backend=SQL_BACKEND, table_name=TABLE)


@pytest.fixture
def shelf(sql_backend: SqlStoreReference, tmp_path: Path) -> Iterator[Shelf]:
    """An empty storage for files of up to 100 bytes."""
    directory = tmp_path / "contents"
    objects = Directory(directory)
    objects.prepare()
    database, tables = database_of(sql_backend), Tables.named(TABLE)
    catalog = Catalog(database, tables)
    storage = FileStorage(objects, catalog, max_file_bytes=100, abandoned_after_secs=900)
    shelf = Shelf(directory, database, tables, catalog, storage)
    shelf.run(shelf.create_tables())
    yield shelf
    storage.close()
