"""What everything that is stored stands on: one writer per database, which commits groups.

    database.py     a SQLite file or a PostgreSQL database: reads, writes, rows that are inserted
    key_values.py   llama-stack's key-value stores on it, and with transactions
    rows.py         llama-stack's tables of rows on it
    redis.py        key-value stores with transactions on Redis

They read and write the tables and keys that llama-stack's own stores do: a database goes on with either.
"""

from llama_stack.core.storage.datatypes import (
    KVStoreReference,
    PostgresKVStoreConfig,
    PostgresSqlStoreConfig,
    RedisKVStoreConfig,
    SqliteKVStoreConfig,
    SqliteSqlStoreConfig,
    SqlStoreReference,
)
from llama_stack.providers.utils.kvstore import kvstore
from llama_stack.providers.utils.sqlstore import sqlstore

from providers.stores.database import Database, open_database
from providers.stores.errors import Duplicate, StoreUnavailable
from providers.stores.store import Store, Transaction

__all__ = ["Duplicate", "Store", "StoreUnavailable", "Transaction", "database_of", "open_store"]


def open_store(reference: KVStoreReference) -> Store:
    """Return the store that a run config refers to, without connecting to it yet.

    Raises ValueError if there is no such backend, or if it is of a kind that has no store here.
    """
    # Drivers are imported when they are needed: a server on SQLite does not load PostgreSQL's.
    config = kvstore._KVSTORE_BACKENDS.get(reference.backend)
    match config:
        case SqliteKVStoreConfig() | PostgresKVStoreConfig():
            from providers.stores.key_values import open_key_values

            return open_key_values(config, reference.namespace)
        case RedisKVStoreConfig():
            from providers.stores.redis import RedisStore

            return RedisStore(config, reference.namespace)
        case None:
            known = ", ".join(sorted(kvstore._KVSTORE_BACKENDS)) or "none"
            raise ValueError(f"there is no key-value backend {reference.backend!r}; there is: {known}")
        case other:
            raise ValueError(
                f"the backend {reference.backend!r} is of type {other.type}, which has no transactions here; "
                "use kv_sqlite, kv_postgres or kv_redis"
            )


def database_of(reference: SqlStoreReference) -> Database:
    """Return the database of rows that a run config refers to, without connecting to it yet.

    Raises ValueError if there is no such backend.
    """
    config = sqlstore._SQLSTORE_BACKENDS.get(reference.backend)
    if not isinstance(config, SqliteSqlStoreConfig | PostgresSqlStoreConfig):
        known = ", ".join(sorted(sqlstore._SQLSTORE_BACKENDS)) or "none"
        raise ValueError(f"there is no SQL backend {reference.backend!r}; there is: {known}")
    return open_database(config)
