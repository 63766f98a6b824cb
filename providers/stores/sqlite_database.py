"""A SQLite file, or a database in memory.

The file is in WAL mode, in which readers do not wait for the writer, and ``synchronous=FULL`` has every commit reach
the disk before it returns. Each step of SQLite's gives up Python's lock and has to get it back from a busy event loop;
so rows are inserted and committed in one.
"""

import sqlite3
import time
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import sqlalchemy
from sqlalchemy.pool import NullPool

from providers.stores.database import Database
from providers.stores.session import Session, driver_error, insert_statement
from providers.stores.writer import unavailable

MEMORY = ":memory:"
BUSY_TIMEOUT = 10.0
"""Seconds to wait for another process that writes."""
POLLING = 0.05
"""Seconds for which SQLite asks often whether the other has done. It asks less and less often, so it is begun anew."""
CACHED_STATEMENTS = 512
"""As many statements are kept prepared: one for each number of rows in a group."""
MAX_PARAMETERS = 32_000
"""SQLite takes a few more in one statement."""

# What is wrong with the file or the disk, not with the statement.
UNUSABLE = {
    sqlite3.SQLITE_AUTH,
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_INTERRUPT,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOLFS,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_PROTOCOL,
    sqlite3.SQLITE_READONLY,
}
DUPLICATE = {
    sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY,
    sqlite3.SQLITE_CONSTRAINT_ROWID,
    sqlite3.SQLITE_CONSTRAINT_UNIQUE,
}


class SqliteDatabase(Database):
    """Other processes may use the file as well; who writes waits for them."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = path
        self.readers = 0 if path == MEMORY else 2
        self.dialect = sqlalchemy.create_engine("sqlite://").dialect

    def __str__(self) -> str:
        return f"SQLite file {self._path}"

    def open_session(self, *, writes: bool) -> Session:
        """Open the file, which is made if it is not there."""
        try:
            if self._path != MEMORY:
                Path(self._path).parent.mkdir(parents=True, exist_ok=True)
            driver = sqlite3.connect(
                self._path,
                timeout=POLLING if writes else BUSY_TIMEOUT,
                isolation_level=None,
                check_same_thread=False,  # other threads interrupt it
                cached_statements=CACHED_STATEMENTS,
            )
            try:
                _prepare(driver, writes=writes)
                engine = sqlalchemy.create_engine(
                    "sqlite://", creator=lambda: driver, poolclass=NullPool, isolation_level="AUTOCOMMIT"
                )
                return SqliteSession(engine.connect())
            except BaseException:
                driver.close()
                raise
        except (sqlalchemy.exc.DBAPIError, sqlite3.Error, OSError) as error:
            raise unavailable(str(self), str(driver_error(error))) from error


class SqliteSession(Session):
    """``BEGIN IMMEDIATE`` takes the file's only write lock before anything is read."""

    def begin(self) -> None:
        """Wait for the write lock."""
        self._execute("BEGIN IMMEDIATE")

    def commit(self) -> None:
        """Commit; an error means that it was not."""
        self._execute("COMMIT")

    def rollback(self) -> None:
        """Undo, unless an error has done so."""
        if self.in_transaction:
            self._cursor.execute("ROLLBACK")

    def insert(self, table: str, columns: tuple[str, ...], rows: Sequence[tuple[Any, ...]]) -> None:
        """Insert rows."""
        at_once = max(1, MAX_PARAMETERS // len(columns))
        for start in range(0, len(rows), at_once):
            part = rows[start : start + at_once]
            statement = insert_statement(table, columns, len(part), "?")
            self._execute(statement, tuple(chain.from_iterable(part)))

    def insert_and_commit(self, table: str, columns: tuple[str, ...], rows: Sequence[tuple[Any, ...]]) -> None:
        """Insert rows: a statement outside of transactions is one."""
        if len(rows) * len(columns) <= MAX_PARAMETERS:
            self.insert(table, columns, rows)
        else:
            self.begin()
            self.insert(table, columns, rows)
            self.commit()

    def reason(self, error: BaseException) -> str | None:
        """SQLite's own words."""
        code = getattr(error, "sqlite_errorcode", None)
        return str(error) if code is not None and code & 0xFF in UNUSABLE else None

    def is_conflict(self, error: BaseException) -> bool:
        """Never: there is one who writes."""
        return False

    def is_duplicate(self, error: BaseException) -> bool:
        """Whether a key is taken."""
        return getattr(error, "sqlite_errorcode", None) in DUPLICATE

    @property
    def lost(self) -> bool:
        """Never: a file that was away may be there again."""
        return False

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open."""
        return bool(self._driver.in_transaction)

    def outcome(self, transaction: object) -> bool | None:
        """Unknown outcomes do not happen."""
        return None

    def interrupt(self) -> None:
        """End the statement that is being carried out."""
        self._driver.interrupt()

    def _execute(self, statement: str, parameters: tuple[Any, ...] = ()) -> None:
        """Carry out a statement that may have to wait for another process."""
        give_up_at = time.monotonic() + BUSY_TIMEOUT
        while True:
            try:
                self._cursor.execute(statement, parameters)
                return
            except sqlite3.OperationalError as error:
                if not _is_busy(error) or time.monotonic() > give_up_at:
                    raise
                time.sleep(0.001)  # it does not wait in all cases


def _is_busy(error: sqlite3.OperationalError) -> bool:
    return error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def _prepare(driver: sqlite3.Connection, *, writes: bool) -> None:
    if not writes:
        driver.execute("PRAGMA query_only = ON")
        return
    if _journal_mode(driver) == "wal":
        driver.execute("PRAGMA synchronous = FULL")
    else:  # a file system that cannot share memory: commits are durable there as well, but readers wait
        driver.execute("PRAGMA synchronous = EXTRA")


def _journal_mode(driver: sqlite3.Connection) -> str:
    """Set it to WAL if that is possible, and return what it is.

    SQLite does not wait for others who use the file when it has to change the mode.
    """
    give_up_at = time.monotonic() + BUSY_TIMEOUT
    while True:
        try:
            mode: str = driver.execute("PRAGMA journal_mode = WAL").fetchone()[0]
            return mode
        except sqlite3.OperationalError as error:
            if not _is_busy(error) or time.monotonic() > give_up_at:
                raise
            time.sleep(POLLING)
