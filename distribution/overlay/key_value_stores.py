"""Key-value stores on Redis."""

import asyncio
from typing import Any
from weakref import WeakKeyDictionary

from distribution.overlay.declaration import change

REDIS = "llama_stack.providers.utils.kvstore.redis.redis:RedisKVStoreImpl"

ONE_LOOP = (
    "llama-stack starts in one event loop and serves in another, and a connection belongs to one: the first request "
    "after the start fails with `Event loop is closed`."
)


@change(
    f"{REDIS}.initialize",
    takes=("self",),
    why=ONE_LOOP,
    reference="llamastack/llama-stack#6161",
    fixed_in="ogx 1.2.0",
)
def initialize(original: Any) -> Any:
    async def initialize(self: Any) -> None:
        self.clients = WeakKeyDictionary()
        await self.redis.ping()

    return initialize


@change(
    f"{REDIS}.redis",
    adds=True,
    why=ONE_LOOP,
    reference="llamastack/llama-stack#6161",
    fixed_in="ogx 1.2.0",
)
def client_of_this_loop(original: None) -> property:
    from redis.asyncio import Redis

    def redis(self: Any) -> Any:
        loop = asyncio.get_running_loop()
        if loop not in self.clients:
            self.clients[loop] = Redis.from_url(self.config.url)
        return self.clients[loop]

    return property(redis)


@change(
    f"{REDIS}.keys_in_range",
    takes=("self", "start_key", "end_key"),
    why="Upstream looks for keys in a sorted set that nothing ever fills, and finds none: every list is empty.",
    reference="llamastack/llama-stack#4181",
    fixed_in="0.4.0 in part",
)
def redis_keys_in_range(original: Any) -> Any:
    async def keys_in_range(self: Any, start_key: str, end_key: str) -> list[str]:
        start, end = self._namespaced_key(start_key), self._namespaced_key(end_key)
        keys = [key.decode() async for key in self.redis.scan_iter(match=f"{start}*", count=1000)]
        return [_without_namespace(self, key) for key in sorted(keys) if start <= key <= end]

    return keys_in_range


def _without_namespace(store: Any, key: str) -> str:
    return key.removeprefix(store._namespaced_key(""))
