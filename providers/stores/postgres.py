"""A key-value store in a PostgreSQL table."""

import select
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg2
from llama_stack.core.storage.datatypes import PostgresKVStoreConfig
from psycopg2 import sql
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor

from providers.stores.store import RANGE_END, Store, StoreUnavailable, Transaction

CONNECT_TIMEOUT = 5  # seconds


class PostgresStore(Store):
    """One connection for each thread, and a new one when the server has gone away meanwhile.

    A transaction locks the row of its key, so that only writers of one prompt wait for each other.
    """

    parallel = 4

    def __init__(self, config: PostgresKVStoreConfig, namespace: str) -> None:
        self._config = config
        # Upstream writes the name without quotes, and so it is in lower case.
        self._table = _Table(config.table_name.lower(), f"{namespace}:")
        self._thread_local = threading.local()
        self._opened: list[Connection] = []

    def __str__(self) -> str:
        return f"PostgreSQL database {self._config.db} at {self._config.host}:{self._config.port}"

    def get(self, key: str) -> str | None:
        with self._connected() as connection, connection.cursor() as cursor:
            return self._table.get(cursor, key)

    def range(self, prefix: str) -> dict[str, str]:
        with self._connected() as connection, connection.cursor() as cursor:
            return self._table.range(cursor, prefix)

    def targets(self, prefix: str, pointer: str) -> list[str]:
        with self._connected() as connection, connection.cursor() as cursor:
            return self._table.targets(cursor, prefix, pointer)

    def transact[Result](self, lock: str, work: Callable[[Transaction], Result]) -> Result:
        with self._connected() as connection, connection, connection.cursor() as cursor:
            self._table.lock(cursor, lock)
            return work(_PostgresTransaction(self._table, cursor))

    def check(self) -> None:
        with self._connected() as connection, connection.cursor() as cursor:
            cursor.execute("SHOW transaction_read_only")
            if cursor.fetchone() != ("off",):
                raise StoreUnavailable(f"The {self} is read-only")

    def close(self) -> None:
        for connection in self._opened:
            connection.close()
        self._opened.clear()

    @contextmanager
    def _connected(self) -> Iterator[Connection]:
        """This thread's connection, on which each statement is a transaction of its own if none was begun."""
        try:
            connection = getattr(self._thread_local, "connection", None)
            if connection is None or connection.closed or _hung_up(connection):
                connection = self._thread_local.connection = self._connect()
            yield connection
        except psycopg2.Error as error:
            raise StoreUnavailable(f"The {self} cannot be used: {str(error).strip()}") from error

    def _connect(self) -> Connection:
        config = self._config
        connection = psycopg2.connect(
            host=config.host,
            port=config.port,
            dbname=config.db,
            user=config.user,
            password=config.password,
            sslmode=config.ssl_mode,
            sslrootcert=config.ca_cert_path,
            connect_timeout=CONNECT_TIMEOUT,
        )
        try:
            connection.autocommit = True
            with connection, connection.cursor() as cursor:
                self._table.create(cursor)
        except BaseException:
            connection.close()
            raise
        self._opened = [connection, *(other for other in self._opened if not other.closed)]
        return connection


# The index serves the first two conditions. What lies between two strings depends on the collation of the
# database, though, and the third condition does not.
IN_RANGE = sql.SQL("entry.key >= %(first)s AND entry.key < %(last)s AND starts_with(entry.key, %(first)s)")
RANGE = "SELECT key, value FROM {table} AS entry WHERE {in_range}"
DELETE_RANGE = "DELETE FROM {table} AS entry WHERE {in_range}"
TARGETS = (
    "SELECT target.value FROM {table} AS entry JOIN {table} AS target"
    " ON target.key = left(entry.key, -length(%(pointer)s)) || entry.value"
    " WHERE right(entry.key, length(%(pointer)s)) = %(pointer)s AND {in_range}"
)


class _Table:
    """The statements that a key-value table needs; keys are given without the namespace."""

    def __init__(self, name: str, namespace: str) -> None:
        self._name = sql.Identifier(name)
        self._namespace = namespace

    def create(self, cursor: Cursor) -> None:
        """Create the table unless it is there, whoever else is doing so."""
        name = self._name.as_string(cursor)
        cursor.execute("SELECT to_regclass(%s) IS NULL", (name,))
        if cursor.fetchone() != (True,):
            return
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", (name,))
        self._execute(
            cursor,
            "CREATE TABLE IF NOT EXISTS {table} (key TEXT PRIMARY KEY, value TEXT, expiration TIMESTAMP)",
        )

    def lock(self, cursor: Cursor, key: str) -> None:
        self._execute(cursor, "SELECT 1 FROM {table} WHERE key = %s FOR UPDATE", [self._namespace + key])

    def get(self, cursor: Cursor, key: str) -> str | None:
        self._execute(cursor, "SELECT value FROM {table} WHERE key = %s", [self._namespace + key])
        row = cursor.fetchone()
        return None if row is None else row[0]

    def put(self, cursor: Cursor, key: str, value: str) -> None:
        self._execute(
            cursor,
            "INSERT INTO {table} (key, value) VALUES (%s, %s)"
            " ON CONFLICT (key) DO UPDATE SET value = EXCLUDED.value, expiration = NULL",
            [self._namespace + key, value],
        )

    def range(self, cursor: Cursor, prefix: str) -> dict[str, str]:
        self._execute(cursor, RANGE, self._limits(prefix))
        return {key.removeprefix(self._namespace): value for key, value in cursor}

    def delete(self, cursor: Cursor, prefix: str) -> int:
        self._execute(cursor, DELETE_RANGE, self._limits(prefix))
        return cursor.rowcount

    def targets(self, cursor: Cursor, prefix: str, pointer: str) -> list[str]:
        self._execute(cursor, TARGETS, {**self._limits(prefix), "pointer": pointer})
        return [value for (value,) in cursor]

    def _limits(self, prefix: str) -> dict[str, str]:
        first = self._namespace + prefix
        return {"first": first, "last": first + RANGE_END}

    def _execute(
        self, cursor: Cursor, statement: str, arguments: Sequence[Any] | Mapping[str, Any] | None = None
    ) -> None:
        cursor.execute(sql.SQL(statement).format(table=self._name, in_range=IN_RANGE), arguments)


class _PostgresTransaction:
    def __init__(self, table: _Table, cursor: Cursor) -> None:
        self._table = table
        self._cursor = cursor

    def get(self, key: str) -> str | None:
        return self._table.get(self._cursor, key)

    def put(self, key: str, value: str) -> None:
        self._table.put(self._cursor, key, value)

    def delete(self, prefix: str) -> int:
        return self._table.delete(self._cursor, prefix)


def _hung_up(connection: Connection) -> bool:
    """Whether the server has closed an idle connection, on which there is nothing else to read."""
    poll = select.poll()
    poll.register(connection, select.POLLIN)
    return bool(poll.poll(0))
