"""A key-value store in a SQLite file."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

from llama_stack.core.storage.datatypes import SqliteKVStoreConfig

from providers.stores.store import RANGE_END, Store, StoreUnavailable, Transaction

BUSY_TIMEOUT = 30.0  # seconds to wait for another process that writes


class SqliteStore(Store):
    """One connection, used by one thread; other processes may use the file as well.

    ``BEGIN IMMEDIATE`` takes the file's only write lock before anything is read.
    """

    parallel = 1

    def __init__(self, config: SqliteKVStoreConfig) -> None:
        self._path = config.db_path

    def __str__(self) -> str:
        return f"SQLite file {self._path}"

    def get(self, key: str) -> str | None:
        with self._errors():
            return _get(self._connection, key)

    def range(self, prefix: str) -> dict[str, str]:
        with self._errors():
            rows = self._connection.execute(
                "SELECT key, value FROM kvstore WHERE key >= ? AND key < ?", (prefix, prefix + RANGE_END)
            )
            return dict(rows.fetchall())

    def targets(self, prefix: str, pointer: str) -> list[str]:
        with self._errors():
            rows = self._connection.execute(
                "SELECT target.value FROM kvstore AS entry JOIN kvstore AS target"
                " ON target.key = substr(entry.key, 1, length(entry.key) - length(:pointer)) || entry.value"
                " WHERE entry.key >= :first AND entry.key < :last"
                " AND substr(entry.key, -length(:pointer)) = :pointer",
                {"first": prefix, "last": prefix + RANGE_END, "pointer": pointer},
            )
            return [value for (value,) in rows]

    def transact[Result](self, lock: str, work: Callable[[Transaction], Result]) -> Result:
        with self._errors(), _write_lock(self._connection):
            result = work(_SqliteTransaction(self._connection))
            self._connection.execute("COMMIT")
            return result

    def check(self) -> None:
        with self._errors(), _write_lock(self._connection):
            _SqliteTransaction(self._connection).put("health", "")

    def close(self) -> None:
        if (connection := self.__dict__.pop("_connection", None)) is not None:
            connection.close()

    @cached_property
    def _connection(self) -> sqlite3.Connection:
        if self._path != ":memory:":
            Path(self._path).parent.mkdir(parents=True, exist_ok=True)
        # Closed by another thread than the one that opened it; it is never used by two at a time.
        connection = sqlite3.connect(self._path, timeout=BUSY_TIMEOUT, isolation_level=None, check_same_thread=False)
        connection.execute(
            "CREATE TABLE IF NOT EXISTS kvstore (key TEXT PRIMARY KEY, value TEXT, expiration TIMESTAMP)"
        )
        return connection

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise StoreUnavailable(f"The {self} cannot be used: {error}") from error


@contextmanager
def _write_lock(connection: sqlite3.Connection) -> Iterator[None]:
    """Hold the file's write lock; what the block has not committed is rolled back, however the block ends."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


class _SqliteTransaction:
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def get(self, key: str) -> str | None:
        return _get(self._connection, key)

    def put(self, key: str, value: str) -> None:
        self._connection.execute("INSERT OR REPLACE INTO kvstore (key, value) VALUES (?, ?)", (key, value))

    def delete(self, prefix: str) -> int:
        return self._connection.execute(
            "DELETE FROM kvstore WHERE key >= ? AND key < ?", (prefix, prefix + RANGE_END)
        ).rowcount


def _get(connection: sqlite3.Connection, key: str) -> str | None:
    row = connection.execute("SELECT value FROM kvstore WHERE key = ?", (key,)).fetchone()
    return None if row is None else row[0]
