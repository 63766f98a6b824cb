"""Key-value stores with the one thing llama-stack's lack: several reads and writes as one step.

They read and write the tables and keys that llama-stack's own stores do, so both may be used side by side.
"""

from llama_stack.core.storage.datatypes import (
    KVStoreReference,
    PostgresKVStoreConfig,
    RedisKVStoreConfig,
    SqliteKVStoreConfig,
)
from llama_stack.providers.utils.kvstore import kvstore

from providers.stores.store import Store, StoreUnavailable, Transaction

__all__ = ["Store", "StoreUnavailable", "Transaction", "open_store"]


def open_store(reference: KVStoreReference) -> Store:
    """Return the store that a run config refers to, without connecting to it yet.

    Raises ValueError if there is no such backend, or if it is of a kind that has no store here.
    """
    # Drivers are imported when they are needed: a server on SQLite does not load PostgreSQL's.
    config = kvstore._KVSTORE_BACKENDS.get(reference.backend)
    match config:
        case SqliteKVStoreConfig():
            from providers.stores.sqlite import SqliteStore

            return SqliteStore(config)
        case PostgresKVStoreConfig():
            from providers.stores.postgres import PostgresStore

            return PostgresStore(config, reference.namespace)
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
