"""The store in a SQLite file, above all what a write that fails leaves behind: nothing."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import NoReturn

import pytest
from llama_stack.core.storage.datatypes import SqliteKVStoreConfig

from providers.stores import StoreUnavailable, Transaction
from providers.stores.sqlite import SqliteStore

Failing = Callable[[SqliteStore], object]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the file of the store is going to be."""
    return tmp_path / "state" / "kv.db"


@pytest.fixture
def store(path: Path) -> Iterator[SqliteStore]:
    """A store with one key, ``kept``, and without room for the key ``refused`` or a health check's."""
    store = SqliteStore(SqliteKVStoreConfig(db_path=str(path)))
    store.transact("kept", lambda transaction: transaction.put("kept", "1"))
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(
            "CREATE TRIGGER refuse BEFORE INSERT ON kvstore WHEN NEW.key IN ('refused', 'health')"
            " BEGIN SELECT RAISE(ABORT, 'disk I/O error'); END"
        )
    yield store
    store.close()


def _put_what_is_refused(store: SqliteStore) -> None:
    def put(transaction: Transaction) -> None:
        transaction.put("kept", "2")
        transaction.put("refused", "")

    store.transact("kept", put)


def _put_more_than_there_is_room(store: SqliteStore) -> None:
    store._connection.execute("PRAGMA max_page_count = 3")
    store.transact("kept", lambda transaction: transaction.put("large", "x" * 100_000))


def _raise_midway(store: SqliteStore) -> None:
    def fail(transaction: Transaction) -> NoReturn:
        transaction.put("kept", "2")
        transaction.delete("kept")
        raise OSError("midway")

    store.transact("kept", fail)


FAILING: list[Failing] = [SqliteStore.check, _put_what_is_refused, _put_more_than_there_is_room, _raise_midway]


@pytest.mark.parametrize("fail", FAILING)
def test_a_failed_write_is_rolled_back_and_the_store_goes_on(store: SqliteStore, path: Path, fail: Failing) -> None:
    with pytest.raises(StoreUnavailable, match=f"The SQLite file {path} cannot be used: "):
        fail(store)

    assert store.range("") == {"kept": "1"}
    with closing(sqlite3.connect(path, timeout=0)) as other_process:
        other_process.execute("BEGIN IMMEDIATE")
    store.transact("kept", lambda transaction: transaction.put("kept", "3"))
    assert store.get("kept") == "3"


def test_a_commit_that_others_hold_up_is_rolled_back(store: SqliteStore, path: Path) -> None:
    store._connection.execute("PRAGMA busy_timeout = 0")
    with closing(sqlite3.connect(path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM kvstore").fetchall()
        with pytest.raises(StoreUnavailable, match="database is locked"):
            store.transact("kept", lambda transaction: transaction.put("kept", "2"))
        reader.execute("COMMIT")

    store.transact("other", lambda transaction: transaction.put("other", "1"))
    assert store.range("") == {"kept": "1", "other": "1"}


def test_a_check_writes_nothing(path: Path) -> None:
    store = SqliteStore(SqliteKVStoreConfig(db_path=str(path)))

    store.check()
    assert store.range("") == {}
    store.close()


def test_a_closed_store_opens_the_file_again(store: SqliteStore) -> None:
    store.close()
    store.close()

    assert store.get("kept") == "1"


def test_a_file_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    path = tmp_path / "file" / "kv.db"

    with pytest.raises(StoreUnavailable, match=f"The SQLite file {path} cannot be used"):
        SqliteStore(SqliteKVStoreConfig(db_path=str(path))).get("key")
