"""A PostgreSQL database.

A group of writes takes two round trips: one that does everything, one that commits. When the connection is lost in the
second, a new one asks PostgreSQL what became of the transaction, by the number that the first has brought back.
"""

import os
import socket
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from typing import Any, Self

import psycopg2
import sqlalchemy
from llama_stack.core.storage.datatypes import PostgresKVStoreConfig, PostgresSqlStoreConfig
from psycopg2 import errorcodes, extensions
from sqlalchemy.pool import NullPool

from providers.stores.database import TIMEOUT, Database
from providers.stores.session import OutcomeUnknown, Session, driver_error, insert_statement
from providers.stores.writer import unavailable

CONNECT_TIMEOUT = 5
"""Seconds."""
LOCK_TIMEOUT = 10
"""Seconds to wait for rows that another process has locked."""
OUTCOME_TIMEOUT = 5.0
"""Seconds to wait for a server to end the transaction of a connection that was lost."""

# Commits are durable unless the administrator has switched that off for all, and a process that has stopped in the
# midst of a transaction does not keep its locks for ever.
SET_UP = (
    f"SET lock_timeout = '{LOCK_TIMEOUT}s'; SET idle_in_transaction_session_timeout = '60s';"
    " SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"
)
TRANSACTION = "SELECT txid_current_if_assigned()"

# Classes and codes of errors that are not the statement's fault: connection, resources (a full disk), intervention,
# the system; a server that only reads, a role without rights, locks.
UNUSABLE_CLASSES = ("08", "53", "57", "58", "XX", "28", "3D")
CONFLICTS = {errorcodes.SERIALIZATION_FAILURE, errorcodes.DEADLOCK_DETECTED}
UNUSABLE = CONFLICTS | {
    errorcodes.READ_ONLY_SQL_TRANSACTION,
    errorcodes.INSUFFICIENT_PRIVILEGE,
    errorcodes.LOCK_NOT_AVAILABLE,
    errorcodes.IDLE_IN_TRANSACTION_SESSION_TIMEOUT,
}


@dataclass(frozen=True)
class PostgresAddress:
    """Where the database is, and who uses it."""

    host: str
    port: str
    database: str
    user: str
    password: str | None
    ssl_mode: str | None = None
    ca_cert_path: str | None = None

    @classmethod
    def of(cls, config: PostgresKVStoreConfig | PostgresSqlStoreConfig) -> Self:
        """Read it from a backend of the run config."""
        ssl = (config.ssl_mode, config.ca_cert_path) if isinstance(config, PostgresKVStoreConfig) else ()
        return cls(config.host, str(config.port), config.db, config.user, config.password, *ssl)


class PostgresDatabase(Database):
    """Five connections at most, and new ones when the server has been away."""

    readers = 4

    def __init__(self, address: PostgresAddress) -> None:
        super().__init__()
        self._address = address
        self._engine = sqlalchemy.create_engine(
            "postgresql+psycopg2://", creator=self._connect, poolclass=NullPool, isolation_level="AUTOCOMMIT"
        )
        self.dialect = self._engine.dialect

    def __str__(self) -> str:
        address = self._address
        return f"PostgreSQL database {address.database} at {address.host}:{address.port}"

    def open_session(self, *, writes: bool) -> Session:
        """Connect."""
        try:
            return PostgresSession(self._engine.connect())
        except (sqlalchemy.exc.DBAPIError, psycopg2.Error) as error:
            raise unavailable(str(self), str(driver_error(error)).strip()) from error

    def _connect(self) -> extensions.connection:
        address = self._address
        connection = psycopg2.connect(
            host=address.host,
            port=address.port,
            dbname=address.database,
            user=address.user,
            password=address.password,
            sslmode=address.ssl_mode,
            sslrootcert=address.ca_cert_path,
            connect_timeout=CONNECT_TIMEOUT,
            tcp_user_timeout=int(TIMEOUT * 1000),
        )
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(SET_UP)
        except BaseException:
            connection.close()
            raise
        return connection


class PostgresSession(Session):
    """One connection."""

    _transaction: int | None = None

    def begin(self) -> None:
        """Begin a transaction."""
        self._cursor.execute("BEGIN")

    def commit(self) -> None:
        """Ask for the transaction's number, and commit."""
        self._cursor.execute(TRANSACTION)
        self._commit()

    def rollback(self) -> None:
        """Undo, if a transaction has begun."""
        if self.in_transaction:
            self._cursor.execute("ROLLBACK")

    def insert(self, table: str, columns: tuple[str, ...], rows: Sequence[tuple[Any, ...]]) -> None:
        """Insert rows."""
        self._cursor.execute(insert_statement(table, columns, len(rows), "%s"), tuple(chain.from_iterable(rows)))

    def insert_and_commit(self, table: str, columns: tuple[str, ...], rows: Sequence[tuple[Any, ...]]) -> None:
        """Insert rows in two round trips."""
        statement = f"BEGIN; {insert_statement(table, columns, len(rows), '%s')}; {TRANSACTION}"
        self._cursor.execute(statement, tuple(chain.from_iterable(rows)))
        self._commit()

    def reason(self, error: BaseException) -> str | None:
        """PostgreSQL's own words."""
        if not isinstance(error, psycopg2.Error):
            return None
        code = error.pgcode
        if code is None:
            without_server = isinstance(error, psycopg2.OperationalError | psycopg2.InterfaceError)
            return str(error).strip() if without_server and self.lost else None
        return str(error).strip() if code.startswith(UNUSABLE_CLASSES) or code in UNUSABLE else None

    def is_conflict(self, error: BaseException) -> bool:
        """Whether PostgreSQL has chosen this transaction to make way for another."""
        return isinstance(error, psycopg2.Error) and error.pgcode in CONFLICTS

    def is_duplicate(self, error: BaseException) -> bool:
        """Whether a key is taken."""
        return isinstance(error, psycopg2.errors.UniqueViolation)

    @property
    def lost(self) -> bool:
        """Whether the connection is closed."""
        return bool(self._driver.closed)

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open, also one that only can be undone."""
        return not self.lost and self._driver.info.transaction_status != extensions.TRANSACTION_STATUS_IDLE

    def outcome(self, transaction: object) -> bool | None:
        """Ask PostgreSQL; a transaction whose connection was lost goes on until the server notices."""
        give_up_at = time.monotonic() + OUTCOME_TIMEOUT
        while time.monotonic() < give_up_at:
            try:
                self._cursor.execute("SELECT txid_status(%s)", (transaction,))
            except psycopg2.Error:  # another server, which has not come so far
                return None
            (status,) = self._cursor.fetchone()
            if status in ("committed", "aborted"):
                return bool(status == "committed")
            time.sleep(0.05)
        return None

    def interrupt(self) -> None:
        """Hang up: it ends any waiting at once, whatever the server does."""
        with suppress(OSError, psycopg2.Error), socket.socket(fileno=os.dup(self._driver.fileno())) as line:
            line.shutdown(socket.SHUT_RDWR)

    def _commit(self) -> None:
        (transaction,) = self._cursor.fetchone()
        try:
            self._cursor.execute("COMMIT")
        except psycopg2.Error as error:
            if self.lost and transaction is not None:
                raise OutcomeUnknown(transaction) from error
            raise
