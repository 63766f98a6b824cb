"""A key-value store in a table of a database: llama-stack's own tables and keys, so that either can go on with them."""

from collections.abc import Callable
from datetime import datetime

from llama_stack.core.storage.datatypes import PostgresKVStoreConfig, SqliteKVStoreConfig
from sqlalchemy import Connection, TextClause, text

from providers.stores.database import Database, open_database
from providers.stores.store import RANGE_END, Store, Transaction
from providers.stores.tables import exclude_others

CREATE = "CREATE TABLE IF NOT EXISTS {table} (key TEXT PRIMARY KEY, value TEXT, expiration TIMESTAMP)"
GET = "SELECT value FROM {table} WHERE key = :key{unexpired}"
PUT = (
    "INSERT INTO {table} (key, value, expiration) VALUES (:key, :value, :expiration)"
    " ON CONFLICT (key) DO UPDATE SET value = excluded.value, expiration = excluded.expiration"
)
DELETE = "DELETE FROM {table} WHERE key = :key"
LOCK = "SELECT 1 FROM {table} WHERE key = :key FOR UPDATE"
# llama-stack's ranges, between two keys.
VALUES_BETWEEN = "SELECT value FROM {table} WHERE key >= :first AND key {until} :last{unexpired} ORDER BY key"
KEYS_BETWEEN = "SELECT key FROM {table} WHERE key >= :first AND key {until} :last ORDER BY key"
# Ours are all keys that begin alike.
RANGE = "SELECT key, value FROM {table} AS entry WHERE {in_range}"
DELETE_RANGE = "DELETE FROM {table} AS entry WHERE {in_range}"
TARGETS = (
    "SELECT target.value FROM {table} AS entry JOIN {table} AS target"
    " ON target.key = substr(entry.key, 1, length(entry.key) - length(:pointer)) || entry.value"
    " WHERE {in_range} AND {ends}"
)
SQLITE = {
    "unexpired": "",
    "until": "<=",
    "in_range": "entry.key >= :first AND entry.key < :last",
    "ends": "substr(entry.key, -length(:pointer)) = :pointer",
}
# PostgreSQL's index serves the first two conditions of a range. What lies between two strings depends on the collation
# of the database, though, and the third condition does not.
POSTGRES = {
    "unexpired": " AND (expiration IS NULL OR expiration > NOW())",
    "until": "<",
    "in_range": "entry.key >= :first AND entry.key < :last AND starts_with(entry.key, :first)",
    "ends": "right(entry.key, length(:pointer)) = :pointer",
}


class KeyValueTable:
    """The statements on one table; keys are given without the namespace."""

    def __init__(self, name: str, namespace: str, words: dict[str, str]) -> None:
        self._name = name
        self._namespace = namespace
        self._statements = {
            pattern: text(pattern.format(table=f'"{name}"', **words))
            for pattern in (CREATE, GET, PUT, DELETE, LOCK, VALUES_BETWEEN, KEYS_BETWEEN, RANGE, DELETE_RANGE, TARGETS)
        }

    def create(self, connection: Connection) -> None:
        """Make the table unless it is there, whoever else is doing so."""
        exclude_others(connection, self._name)
        connection.execute(self._statement(CREATE))

    def get(self, connection: Connection, key: str) -> str | None:
        """Return a key's value."""
        value = connection.execute(self._statement(GET), {"key": self._namespace + key}).scalar()
        return value if isinstance(value, str) else None

    def put(self, connection: Connection, key: str, value: str, expiration: datetime | None = None) -> None:
        """Set a key's value."""
        until: datetime | str | None = expiration
        if expiration is not None and connection.dialect.name == "sqlite":
            until = expiration.isoformat(" ")
        values = {"key": self._namespace + key, "value": value, "expiration": until}
        connection.execute(self._statement(PUT), values)

    def delete(self, connection: Connection, key: str) -> None:
        """Remove a key."""
        connection.execute(self._statement(DELETE), {"key": self._namespace + key})

    def lock(self, connection: Connection, key: str) -> None:
        """Have others who lock this key wait; SQLite has one lock for all."""
        if connection.dialect.name == "postgresql":
            connection.execute(self._statement(LOCK), {"key": self._namespace + key})

    def values_between(self, connection: Connection, first: str, last: str) -> list[str]:
        """Return values in the order of their keys."""
        return list(connection.execute(self._statement(VALUES_BETWEEN), self._between(first, last)).scalars())

    def keys_between(self, connection: Connection, first: str, last: str) -> list[str]:
        """Return keys, without the namespace."""
        found = connection.execute(self._statement(KEYS_BETWEEN), self._between(first, last)).scalars()
        return [key.removeprefix(self._namespace) for key in found]

    def range(self, connection: Connection, prefix: str) -> dict[str, str]:
        """Return all keys that begin with ``prefix``, and their values."""
        found = connection.execute(self._statement(RANGE), self._beginning(prefix))
        return {key.removeprefix(self._namespace): value for key, value in found}

    def delete_range(self, connection: Connection, prefix: str) -> int:
        """Remove all keys that begin with ``prefix``; returns how many."""
        return connection.execute(self._statement(DELETE_RANGE), self._beginning(prefix)).rowcount

    def targets(self, connection: Connection, prefix: str, pointer: str) -> list[str]:
        """Follow the pointers under ``prefix``."""
        limits = {**self._beginning(prefix), "pointer": pointer}
        return list(connection.execute(self._statement(TARGETS), limits).scalars())

    def _statement(self, pattern: str) -> TextClause:
        return self._statements[pattern]

    def _between(self, first: str, last: str) -> dict[str, str]:
        return {"first": self._namespace + first, "last": self._namespace + last}

    def _beginning(self, prefix: str) -> dict[str, str]:
        return self._between(prefix, prefix + RANGE_END)


class KeyValues(Store):
    """A store as llama-stack's providers use it, and with transactions. The table is made when it is first needed."""

    def __init__(self, database: Database, table: KeyValueTable, *, is_shared: bool) -> None:
        self.is_shared = is_shared
        """Whether other processes write to it, which this one has to reckon with."""
        self._database = database
        self._table = table
        self._is_there = False

    def __str__(self) -> str:
        return str(self._database)

    async def initialize(self) -> None:
        """Make the table, if it is not there."""
        if not self._is_there:
            await self._database.write(self._table.create)
            self._is_there = True

    async def get(self, key: str) -> str | None:
        """Return a key's value, or None."""
        return await self._read(lambda connection: self._table.get(connection, key))

    async def set(self, key: str, value: str, expiration: datetime | None = None) -> None:
        """Set a key's value. PostgreSQL forgets it at its expiration."""
        await self.initialize()
        await self._database.write(lambda connection: self._table.put(connection, key, value, expiration))

    async def delete(self, key: str) -> None:
        """Remove a key, if it is there."""
        await self.initialize()
        await self._database.write(lambda connection: self._table.delete(connection, key))

    async def values_in_range(self, start_key: str, end_key: str) -> list[str]:
        """Return the values of the keys from one to another."""
        return await self._read(lambda connection: self._table.values_between(connection, start_key, end_key))

    async def keys_in_range(self, start_key: str, end_key: str) -> list[str]:
        """Return the keys from one to another."""
        return await self._read(lambda connection: self._table.keys_between(connection, start_key, end_key))

    async def range(self, prefix: str) -> dict[str, str]:
        """Return all keys that begin with ``prefix``, with their values, in one read."""
        return await self._read(lambda connection: self._table.range(connection, prefix))

    async def targets(self, prefix: str, pointer: str) -> list[str]:
        """Follow the pointers under ``prefix`` in one read."""
        return await self._read(lambda connection: self._table.targets(connection, prefix, pointer))

    async def transact[Result](self, lock: str, work: Callable[[Transaction], Result]) -> Result:
        """Run ``work`` as one step."""
        await self.initialize()

        def locked(connection: Connection) -> Result:
            self._table.lock(connection, lock)
            return work(_TableTransaction(self._table, connection))

        return await self._database.write(locked)

    async def check(self) -> None:
        """Write something and undo it."""

        def put_and_undo(transaction: Transaction) -> None:
            transaction.put("health", "")
            raise _Undone

        try:
            await self.transact("health", put_and_undo)
        except _Undone:
            return

    async def close(self) -> None:
        """Write what is waiting, and close the connections."""
        await self._database.close()

    async def _read[Result](self, work: Callable[[Connection], Result]) -> Result:
        await self.initialize()
        return await self._database.read(work)


class _Undone(Exception):
    """A transaction that is not meant to be kept."""


class _TableTransaction:
    def __init__(self, table: KeyValueTable, connection: Connection) -> None:
        self._table = table
        self._connection = connection

    def get(self, key: str) -> str | None:
        return self._table.get(self._connection, key)

    def put(self, key: str, value: str) -> None:
        self._table.put(self._connection, key, value)

    def delete(self, prefix: str) -> int:
        return self._table.delete_range(self._connection, prefix)


def open_key_values(config: SqliteKVStoreConfig | PostgresKVStoreConfig, namespace: str | None) -> KeyValues:
    """Return a store in the table that llama-stack's own would use, without connecting to it yet.

    In SQLite all namespaces are one: llama-stack does without them there.
    """
    database = open_database(config)
    if isinstance(config, SqliteKVStoreConfig):
        return KeyValues(database, KeyValueTable("kvstore", "", SQLITE), is_shared=False)
    # Upstream writes the name without quotes, and so it is in lower case.
    table = KeyValueTable(config.table_name.lower(), f"{namespace}:" if namespace else "", POSTGRES)
    return KeyValues(database, table, is_shared=True)
