"""What is kept in SQLite and PostgreSQL: key-value stores and tables of rows, on one writer per database."""

from typing import Any

from distribution.overlay.declaration import change


@change(
    "llama_stack.providers.utils.kvstore.kvstore:kvstore_impl",
    takes=("reference",),
    why="Upstream opens a SQLite file anew for each operation, and asks PostgreSQL on the event loop, with one "
    "connection that is never made again: every request waits for the database, and after a restart of PostgreSQL all "
    "operations fail until one of the server. Keys are listed with the namespace in front, and are not found then.",
    reference="llamastack/llama-stack#5610, #5731, #5739",
    fixed_in="ogx 1.0.0 in part",
)
def key_value_store(original: Any) -> Any:
    from llama_stack.core.storage.datatypes import PostgresKVStoreConfig, SqliteKVStoreConfig

    async def kvstore_impl(reference: Any) -> Any:
        from llama_stack.providers.utils.kvstore import kvstore

        from providers.stores.key_values import open_key_values

        config = kvstore._KVSTORE_BACKENDS.get(reference.backend)
        if not isinstance(config, SqliteKVStoreConfig | PostgresKVStoreConfig):
            return await original(reference)
        store = open_key_values(config, reference.namespace)
        await store.initialize()
        return store

    return kvstore_impl


@change(
    "llama_stack.providers.utils.sqlstore.sqlstore:sqlstore_impl",
    takes=("reference",),
    why="Upstream writes each row in a transaction of its own, with several connections to one SQLite file: under load "
    "`database is locked`, and what was acknowledged is lost with the power. A cancelled request leaves a lock behind.",
)
def row_store(original: Any) -> Any:
    from llama_stack.core.storage.datatypes import PostgresSqlStoreConfig, SqliteSqlStoreConfig

    def sqlstore_impl(reference: Any) -> Any:
        from llama_stack.providers.utils.sqlstore import sqlstore

        from providers.stores.rows import Rows

        config = sqlstore._SQLSTORE_BACKENDS.get(reference.backend)
        if not isinstance(config, SqliteSqlStoreConfig | PostgresSqlStoreConfig):
            return original(reference)
        return Rows(config)

    return sqlstore_impl
