"""Storage: what llama-stack's fails at on Redis and PostgreSQL."""

import asyncio
import functools
from collections.abc import Awaitable, Callable
from types import ModuleType
from typing import Any
from weakref import WeakKeyDictionary

# Each can be done again: none depends on what was there before.
OPERATIONS = ("set", "get", "delete", "values_in_range", "keys_in_range")


def change_redis(module: ModuleType) -> None:
    """llama_stack.providers.utils.kvstore.redis.redis: a client for each event loop, and keys in a range.

    llama-stack starts in one event loop and serves in another, and a connection belongs to one. Upstream looks
    for keys in a sorted set that nothing ever fills.
    """

    async def initialize(self: Any) -> None:
        self.clients = WeakKeyDictionary()
        await self.redis.ping()

    def redis(self: Any) -> Any:
        loop = asyncio.get_running_loop()
        if loop not in self.clients:
            self.clients[loop] = module.Redis.from_url(self.config.url)
        return self.clients[loop]

    async def keys_in_range(self: Any, start_key: str, end_key: str) -> list[str]:
        start, end = self._namespaced_key(start_key), self._namespaced_key(end_key)
        keys = [key.decode() async for key in self.redis.scan_iter(match=f"{start}*", count=1000)]
        return [_without_namespace(self, key) for key in sorted(keys) if start <= key <= end]

    store: Any = module.RedisKVStoreImpl
    store.initialize, store.redis, store.keys_in_range = initialize, property(redis), keys_in_range


def change_postgres(module: ModuleType) -> None:
    """llama_stack.providers.utils.kvstore.postgres.postgres: connect again, and return keys that can be looked up.

    Upstream connects once, and fails from the database's first restart to its own.
    """
    store: Any = module.PostgresKVStoreImpl
    with_namespace = store.keys_in_range

    async def keys_in_range(self: Any, start_key: str, end_key: str) -> list[str]:
        return [_without_namespace(self, key) for key in await with_namespace(self, start_key, end_key)]

    store.keys_in_range = keys_in_range
    lost = (module.psycopg2.OperationalError, module.psycopg2.InterfaceError)
    for name in OPERATIONS:
        setattr(store, name, _reconnecting(getattr(store, name), lost))


def change_completions_store(module: ModuleType) -> None:
    """llama_stack.providers.utils.inference.inference_store: store a chat completion before it is acknowledged.

    On PostgreSQL upstream leaves that to workers that it starts in the event loop of the start, where they die.
    """
    _without_write_queue(module.InferenceStore)


def change_responses_store(module: ModuleType) -> None:
    """llama_stack.providers.utils.responses.responses_store: know that there is no queue of writes any more.

    Upstream asks for this and sets it for SQLite only, so that agents do not start on PostgreSQL.
    """
    _without_write_queue(module.ResponsesStore)


def _without_write_queue(store: Any) -> None:
    store.enable_write_queue = property(lambda self: False, lambda self, wanted: None)


def _reconnecting(
    operation: Callable[..., Awaitable[Any]], lost: tuple[type[Exception], ...]
) -> Callable[..., Awaitable[Any]]:
    @functools.wraps(operation)
    async def do(self: Any, *arguments: Any, **options: Any) -> Any:
        try:
            return await operation(self, *arguments, **options)
        except lost:
            if not self.conn.closed:
                raise
            await self.initialize()
            return await operation(self, *arguments, **options)

    return do


def _without_namespace(store: Any, key: str) -> str:
    return key.removeprefix(store._namespaced_key(""))
