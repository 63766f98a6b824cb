"""Transactions on one of the run config's SQL backends."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, cast
from weakref import WeakKeyDictionary

from llama_stack.core.storage.datatypes import SqlStoreReference
from llama_stack.providers.utils.sqlstore.sqlalchemy_sqlstore import SqlAlchemySqlStoreImpl
from llama_stack.providers.utils.sqlstore.sqlstore import sqlstore_impl
from sqlalchemy import event, func, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

# Other stores write to the same SQLite file.
_BUSY_TIMEOUT_SECS = 30


class Database:
    """A SQLite or PostgreSQL database, for every event loop a connection pool of its own.

    llama-stack makes its providers in one loop and runs them in another, and a connection has but one.
    """

    def __init__(self, backend: SqlStoreReference) -> None:
        self._url = cast(SqlAlchemySqlStoreImpl, sqlstore_impl(backend)).config.engine_str
        self._is_sqlite = self._url.startswith("sqlite")
        self._engines: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[bool, AsyncEngine]] = WeakKeyDictionary()

    def transaction(self, *, durable: bool = False) -> AbstractAsyncContextManager[AsyncConnection]:
        """Commit at the end of the block, or roll back if it raises.

        A ``durable`` commit survives a power cut, and with it all that came before; PostgreSQL's always do.
        """
        return self._engine(durable and self._is_sqlite).begin()

    @asynccontextmanager
    async def exclusive(self, purpose: str) -> AsyncGenerator[AsyncConnection]:
        """A transaction that other replicas with the same purpose wait for."""
        async with self.transaction() as connection:
            if self._is_sqlite:
                await connection.exec_driver_sql("BEGIN IMMEDIATE")
            else:
                await connection.execute(select(func.pg_advisory_xact_lock(func.hashtext(purpose))))
            yield connection

    async def close(self) -> None:
        """Close this event loop's connections; the next transaction opens new ones."""
        for engine in self._engines.pop(asyncio.get_running_loop(), {}).values():
            await engine.dispose()

    def _engine(self, durable: bool) -> AsyncEngine:
        engines = self._engines.setdefault(asyncio.get_running_loop(), {})
        if durable not in engines:
            engines[durable] = self._connect(durable)
        return engines[durable]

    def _connect(self, durable: bool) -> AsyncEngine:
        if not self._is_sqlite:
            return create_async_engine(self._url, pool_pre_ping=True)
        # Every transaction here ends by itself, and each statement saved is a switch to another thread and back.
        engine = create_async_engine(self._url, connect_args={"timeout": _BUSY_TIMEOUT_SECS}, pool_reset_on_return=None)

        @event.listens_for(engine.sync_engine, "connect")
        def set_up(connection: Any, _record: object) -> None:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")

        return engine
