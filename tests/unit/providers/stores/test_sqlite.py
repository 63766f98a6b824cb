"""A key-value store in a SQLite file, above all what a write that fails leaves behind: nothing."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import NoReturn

import pytest
from llama_stack.core.storage.datatypes import SqliteKVStoreConfig

from providers.stores import StoreUnavailable, Transaction
from providers.stores.key_values import open_key_values
from tests.support.blocking import Blocking

Failing = Callable[[Blocking], object]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the file of the store is going to be."""
    return tmp_path / "state" / "kv.db"


@pytest.fixture
def store(path: Path) -> Iterator[Blocking]:
    """A store with one key, ``kept``."""
    store = Blocking(open_key_values(SqliteKVStoreConfig(db_path=str(path)), "tests"))
    store.set("kept", "1")
    yield store
    store.close()


def _put_more_than_there_is_room(store: Blocking) -> None:
    store.target._database.close_now()
    _limit_pages(store)
    store.transact("kept", lambda transaction: transaction.put("large", "x" * 100_000))


def _limit_pages(store: Blocking) -> None:
    Blocking(store.target._database).write(
        lambda connection: connection.exec_driver_sql("PRAGMA max_page_count = 3").all()
    )


def _raise_midway(store: Blocking) -> None:
    def fail(transaction: Transaction) -> NoReturn:
        transaction.put("kept", "2")
        transaction.delete("kept")
        raise StoreUnavailable("midway")

    store.transact("kept", fail)


FAILING: list[Failing] = [_put_more_than_there_is_room, _raise_midway]


@pytest.mark.parametrize("fail", FAILING)
def test_a_failed_write_is_rolled_back_and_the_store_goes_on(store: Blocking, path: Path, fail: Failing) -> None:
    with pytest.raises(
        StoreUnavailable, match=f"The SQLite file {path} cannot be used: database or disk is full|midway"
    ):
        fail(store)

    assert store.range("") == {"kept": "1"}
    with closing(sqlite3.connect(path, timeout=0)) as other_process:
        other_process.execute("BEGIN IMMEDIATE")
    store.transact("kept", lambda transaction: transaction.put("kept", "3"))
    assert store.get("kept") == "3"


def test_a_check_writes_nothing(path: Path) -> None:
    store = Blocking(open_key_values(SqliteKVStoreConfig(db_path=str(path)), "tests"))

    store.check()
    assert store.range("") == {}
    store.close()


def test_a_closed_store_opens_the_file_again(store: Blocking) -> None:
    store.close()
    store.close()

    assert store.get("kept") == "1"


def test_a_file_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    path = tmp_path / "file" / "kv.db"

    with pytest.raises(StoreUnavailable, match=f"The SQLite file {path} cannot be used"):
        Blocking(open_key_values(SqliteKVStoreConfig(db_path=str(path)), "tests")).get("key")
