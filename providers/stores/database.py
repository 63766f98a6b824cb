"""A database of the run config: one writer, groups of writes that are committed together, readers beside it.

    database = open_database(config)              # the same object for the same database in a process
    await database.insert("prompts", {"id": ...}) # durable when it returns
    await database.write(work)                    # work(connection) in a transaction of the writer's
    await database.read(work)                     # does not wait for those who write

Everything may be used from any event loop and thread. What is cancelled while it waits for its turn is not done; what
has begun is done as a whole. When the database does not answer, requests fail with StoreUnavailable after TIMEOUT.
"""

import asyncio
import atexit
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from queue import SimpleQueue
from typing import Any, cast

import sqlalchemy
from llama_stack.core.storage.datatypes import (
    PostgresKVStoreConfig,
    PostgresSqlStoreConfig,
    SqliteKVStoreConfig,
    SqliteSqlStoreConfig,
)

from providers.stores.requests import InsertRequest, Request, WorkRequest
from providers.stores.session import Session
from providers.stores.writer import Reader, Writer, unavailable

TIMEOUT = 15.0
"""Seconds after which a read or write that was not done fails."""
QUEUE_REQUESTS = 10_000
"""How many writes, and how many reads, may wait for their turn."""
QUEUE_BYTES = 64 * 1024 * 1024
"""What the rows that wait to be inserted may hold."""

DatabaseConfig = SqliteKVStoreConfig | SqliteSqlStoreConfig | PostgresKVStoreConfig | PostgresSqlStoreConfig

Queue = SimpleQueue[Request | None]


class Database(ABC):
    """One SQLite file or PostgreSQL database. ``str()`` names it in messages.

    Threads and connections are made when they are needed, also after ``close``.
    """

    readers: int
    """How many may read at a time; 0 if only the writer can."""
    dialect: sqlalchemy.Dialect
    """SQLAlchemy's idea of the database."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # never held while anything waits
        self._writes: Queue | None = None
        self._reads: Queue | None = None
        self._threads: list[Writer | Reader] = []
        self._waiting_bytes = 0

    @abstractmethod
    def open_session(self, *, writes: bool) -> Session:
        """Connect; raises StoreUnavailable."""

    async def write[Result](self, work: Callable[[sqlalchemy.Connection], Result]) -> Result:
        """Run ``work`` in a transaction and return what it returns, once that is committed and durable.

        If it raises, what it has done is undone. It runs in the writer's thread and holds up all other writes; it may
        be run again when the transaction could not be committed, so it has no effects but on the database. It leaves
        commits and rollbacks alone. Raises StoreUnavailable.
        """
        request = WorkRequest(asyncio.get_running_loop(), work)
        self._submit(request)
        return cast(Result, await self._wait(request))

    async def insert(self, table: str, row: Mapping[str, Any]) -> None:
        """Insert a row; it is durable when this returns. Values are as the driver takes them: JSON as text.

        Rows of one table that come together are inserted with one statement. Raises Duplicate if there is a row of
        the same key, ValueError for a row that the table does not take, StoreUnavailable.
        """
        request = InsertRequest(asyncio.get_running_loop(), (table, tuple(row)), tuple(row.values()))
        self._submit(request)
        await self._wait(request)

    async def read[Result](self, work: Callable[[sqlalchemy.Connection], Result]) -> Result:
        """Run ``work``, which only reads, and return what it returns. It sees every write that has returned.

        It may be run again, when the connection was lost. Raises StoreUnavailable.
        """
        request = WorkRequest(asyncio.get_running_loop(), work)
        if not self.readers:
            self._submit(request)
            return cast(Result, await self._wait(request))
        with self._lock:
            if self._reads is None:
                self._reads = Queue()
                for _ in range(self.readers):
                    self._start(Reader(str(self), self._reads, lambda: self.open_session(writes=False)))
            if self._reads.qsize() >= QUEUE_REQUESTS:
                raise unavailable(str(self), f"{QUEUE_REQUESTS} reads are waiting for it already")
            self._reads.put(request)
        return cast(Result, await self._wait(request))

    async def close(self) -> None:
        """Write what is waiting, and close all connections. Others who use the database open new ones."""
        await asyncio.to_thread(self.close_now)

    def close_now(self) -> None:
        """Do as ``close``, and wait for it, but not for ever: a database may hang."""
        with self._lock:
            threads, self._threads = self._threads, []
            for thread in threads:
                queue = self._writes if isinstance(thread, Writer) else self._reads
                if queue is not None:
                    queue.put(None)
            self._writes = self._reads = None
        give_up_at = time.monotonic() + TIMEOUT
        for thread in threads:
            thread.join(max(0.0, give_up_at - time.monotonic()))

    def _submit(self, request: Request) -> None:
        with self._lock:
            if self._writes is None:
                self._writes = Queue()
                self._start(Writer(str(self), self._writes, lambda: self.open_session(writes=True), self._taken))
            if self._writes.qsize() >= QUEUE_REQUESTS or self._waiting_bytes > QUEUE_BYTES:
                raise unavailable(str(self), "too many writes are waiting for it already")
            self._waiting_bytes += request.size
            self._writes.put(request)

    async def _wait(self, request: Request) -> Any:
        timer = request.loop.call_later(TIMEOUT, self._give_up, request)
        try:
            return await request.future
        finally:
            timer.cancel()

    def _give_up(self, request: Request) -> None:
        if request.future.done():
            return
        request.future.set_exception(unavailable(str(self), f"it has not answered for {TIMEOUT:.0f} seconds"))
        for thread in list(self._threads):
            thread.interrupt_if_busy_for(TIMEOUT)

    def _start(self, thread: Writer | Reader) -> None:
        self._threads.append(thread)
        thread.start()

    def _taken(self, requests: list[Request]) -> None:
        size = sum(request.size for request in requests)
        with self._lock:
            self._waiting_bytes -= size


_databases: dict[object, Database] = {}
_databases_lock = threading.Lock()


def open_database(config: DatabaseConfig) -> Database:
    """Return the one object of a database in this process, without connecting to it yet.

    SQLite's ``:memory:`` is another database each time.
    """
    # Drivers are imported when they are needed: a server on SQLite does not load PostgreSQL's.
    if isinstance(config, PostgresKVStoreConfig | PostgresSqlStoreConfig):
        from providers.stores.postgres_database import PostgresAddress, PostgresDatabase

        address = PostgresAddress.of(config)
        return _the_one(address, lambda: PostgresDatabase(address))
    from providers.stores.sqlite_database import MEMORY, SqliteDatabase

    if config.db_path == MEMORY:
        return SqliteDatabase(MEMORY)
    path = Path(config.db_path)
    if isinstance(config, SqliteSqlStoreConfig):  # as llama-stack does, for this kind alone
        path = path.expanduser()
    path = path.absolute()
    return _the_one(path, lambda: SqliteDatabase(str(path)))


def _the_one(key: object, make: Callable[[], Database]) -> Database:
    with _databases_lock:
        if key not in _databases:
            _databases[key] = make()
        return _databases[key]


@atexit.register
def _close_all() -> None:
    for database in list(_databases.values()):
        database.close_now()
