"""Where llama-stack keeps state: backends, stores, and references to them."""

from llama_stack.core.storage.datatypes import KVStoreReference as KeyValueReference
from llama_stack.core.storage.datatypes import SqlStoreReference as SqlReference
from llama_stack.core.storage.datatypes import StorageBackendType

__all__ = ["BACKEND_DRIVERS", "BACKEND_TYPES", "REQUIRED_STORES", "KeyValueReference", "SqlReference"]

REQUIRED_STORES = ("metadata", "conversations")
"""Stores without which llama-stack does not start, whatever is configured."""

BACKEND_TYPES: tuple[str, ...] = tuple(kind.value for kind in StorageBackendType)

BACKEND_DRIVERS = {
    "kv_redis": "redis",
    "kv_sqlite": "sqlalchemy",
    "kv_postgres": "psycopg2",
    "kv_mongodb": "pymongo",
    "sql_sqlite": "sqlalchemy",
    "sql_postgres": "psycopg2",
}
"""Type of a backend -> the module that has to be installed for it."""
