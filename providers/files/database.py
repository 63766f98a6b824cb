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
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine


class Database:
    """A SQLite or PostgreSQL database, for every event loop a connection pool of its own.

    llama-stack makes its providers in one loop and runs them in another, and a connection has
    but one.
    """

    def __init__(self, backend: SqlStoreReference) -> None:
        self._store = cast(SqlAlchemySqlStoreImpl, sqlstore_impl(backend))
        self._engines: WeakKeyDictionary[asyncio.AbstractEventLoop, AsyncEngine] = WeakKeyDictionary()

    def transaction(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """Commit at the end of the block, or roll back if it raises."""
        return self._engine().begin()

    @asynccontextmanager
    async def exclusive(self, purpose: str) -> AsyncGenerator[AsyncConnection]:
        """A transaction that other replicas with the same purpose wait for."""
        async with self.transaction() as connection:
            if connection.dialect.name == "postgresql":
                await connection.execute(select(func.pg_advisory_xact_lock(func.hashtext(purpose))))
            else:
                await connection.exec_driver_sql("BEGIN IMMEDIATE")
            yield connection

    async def close(self) -> None:
        """Close this event loop's connections; the next transaction opens new ones."""
        if engine := self._engines.pop(asyncio.get_running_loop(), None):
            await engine.dispose()

    def _engine(self) -> AsyncEngine:
        loop = asyncio.get_running_loop()
        if loop not in self._engines:
            engine = self._store.create_engine()
            if engine.dialect.name == "sqlite":
                event.listen(engine.sync_engine, "connect", _survive_power_cuts)
            self._engines[loop] = engine
        return self._engines[loop]


def _survive_power_cuts(connection: Any, _record: object) -> None:
    """A commit that has returned is on disk: no row may come back after its object is gone."""
    connection.execute("PRAGMA synchronous=FULL")
    # Other stores write to the same file.
    connection.execute("PRAGMA busy_timeout=30000")
