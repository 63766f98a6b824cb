"""One connection to a database, used by one thread: what the writer and the readers need of SQLite and PostgreSQL."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import sqlalchemy
from sqlalchemy.exc import DBAPIError

SAVEPOINT = "unit"


class OutcomeUnknown(Exception):
    """The connection was lost while the database committed; ``transaction`` is the database's name for it."""

    def __init__(self, transaction: object) -> None:
        super().__init__()
        self.transaction = transaction


class Session(ABC):
    """A connection in the driver's autocommit mode: transactions begin and end with the statements given here."""

    def __init__(self, connection: sqlalchemy.Connection) -> None:
        self.connection = connection
        driver: Any = connection.connection.dbapi_connection
        self._driver = driver
        self._cursor = driver.cursor()

    @abstractmethod
    def begin(self) -> None:
        """Begin a transaction that writes."""

    @abstractmethod
    def commit(self) -> None:
        """Commit durably; raises OutcomeUnknown if nobody can tell whether that has happened."""

    @abstractmethod
    def rollback(self) -> None:
        """Undo the transaction, if there is one."""

    @abstractmethod
    def insert(self, table: str, columns: tuple[str, ...], rows: Sequence[tuple[Any, ...]]) -> None:
        """Insert rows with one statement, in the transaction that was begun."""

    @abstractmethod
    def insert_and_commit(self, table: str, columns: tuple[str, ...], rows: Sequence[tuple[Any, ...]]) -> None:
        """Insert rows in a transaction of their own, with as few steps as the database allows."""

    @abstractmethod
    def reason(self, error: BaseException) -> str | None:
        """Why the database cannot be used, if this driver's error says so; None for a fault of the statement."""

    @abstractmethod
    def is_conflict(self, error: BaseException) -> bool:
        """Whether the transaction has lost against another one and may be tried again."""

    @property
    @abstractmethod
    def lost(self) -> bool:
        """Whether this connection cannot be used any more."""

    @property
    @abstractmethod
    def in_transaction(self) -> bool:
        """Whether a transaction is open: some errors end it."""

    @abstractmethod
    def is_duplicate(self, error: BaseException) -> bool:
        """Whether a row was refused because there is one of the same key."""

    @abstractmethod
    def outcome(self, transaction: object) -> bool | None:
        """Whether a transaction of an earlier session was committed; None if that cannot be known."""

    @abstractmethod
    def interrupt(self) -> None:
        """End what the session waits for; called by other threads."""

    def close(self) -> None:
        """Close the connection."""
        self.connection.invalidate()
        self.connection.close()

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """Undo what the block does, and that alone, if it raises."""
        self._cursor.execute(f"SAVEPOINT {SAVEPOINT}")
        try:
            yield
        except BaseException:
            if not self.lost and self.in_transaction:
                self._cursor.execute(f"ROLLBACK TO SAVEPOINT {SAVEPOINT}")
                self._cursor.execute(f"RELEASE SAVEPOINT {SAVEPOINT}")
            raise
        self._cursor.execute(f"RELEASE SAVEPOINT {SAVEPOINT}")


OpenSession = Callable[[], Session]


def driver_error(error: BaseException) -> BaseException:
    """Return the driver's error behind one of SQLAlchemy's."""
    return error.orig if isinstance(error, DBAPIError) and error.orig is not None else error


@lru_cache(maxsize=1024)
def insert_statement(table: str, columns: tuple[str, ...], rows: int, place: str) -> str:
    """Return the text that inserts so many rows; ``place`` is how the driver writes a parameter."""
    names = ", ".join(map(_quoted, columns))
    one = f"({', '.join([place] * len(columns))})"
    return f"INSERT INTO {_quoted(table)} ({names}) VALUES {', '.join([one] * rows)}"  # noqa: S608


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
