"""A key-value store in Redis."""

import asyncio
import contextvars
import re
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, cast

import redis
from llama_stack.core.storage.datatypes import RedisKVStoreConfig
from redis.backoff import ExponentialBackoff
from redis.retry import Retry

from providers.stores.errors import StoreUnavailable
from providers.stores.store import Store, Transaction

TIMEOUT = 5.0  # seconds, to connect and for each answer
PARALLEL = 8  # operations at a time

# Redis knows no ranges of keys, so a sorted set holds their names. Each script gets it as KEYS[1], and the
# namespace and the prefix of the range as ARGV[1] and ARGV[2].
RANGE = """
local first = ARGV[1] .. ARGV[2]
local found = {}
for _, key in ipairs(redis.call('ZRANGEBYLEX', KEYS[1], '[' .. first, '(' .. first .. '\\255')) do
  local value = redis.call('GET', key)
  if value then
    table.insert(found, string.sub(key, #ARGV[1] + 1))
    table.insert(found, value)
  end
end
return found
"""
TARGETS = """
local first, pointer = ARGV[1] .. ARGV[2], ARGV[3]
local found = {}
for _, key in ipairs(redis.call('ZRANGEBYLEX', KEYS[1], '[' .. first, '(' .. first .. '\\255')) do
  if string.sub(key, -#pointer) == pointer then
    local target = redis.call('GET', key)
    local value = target and redis.call('GET', string.sub(key, 1, -#pointer - 1) .. target)
    if value then
      table.insert(found, value)
    end
  end
end
return found
"""


class RedisStore(Store):
    """A pool of connections, used by threads.

    A transaction watches its key: when somebody else writes it meanwhile, Redis refuses, and it starts again.
    """

    def __init__(self, config: RedisKVStoreConfig, namespace: str) -> None:
        self._address = f"{config.host}:{config.port}"
        self._client = redis.Redis.from_url(
            config.url,
            decode_responses=True,
            socket_connect_timeout=TIMEOUT,
            socket_timeout=TIMEOUT,
            retry=Retry(ExponentialBackoff(base=0.1), 2),
        )
        self._threads = ThreadPoolExecutor(PARALLEL, thread_name_prefix="redis")
        self._namespace = f"{namespace}:"
        self._index = f"{namespace}:keys"
        self._index_lock = threading.Lock()
        self._index_complete = False

    def __str__(self) -> str:
        return f"Redis server at {self._address}"

    async def get(self, key: str) -> str | None:
        return await self._in_thread(lambda: cast("str | None", self._client.get(self._namespace + key)))

    async def range(self, prefix: str) -> dict[str, str]:
        found = await self._in_thread(lambda: self._evaluate(RANGE, prefix))
        return dict(zip(found[::2], found[1::2], strict=True))

    async def targets(self, prefix: str, pointer: str) -> list[str]:
        return await self._in_thread(lambda: self._evaluate(TARGETS, prefix, pointer))

    async def transact[Result](self, lock: str, work: Callable[[Transaction], Result]) -> Result:
        def attempt(pipeline: Any) -> Any:
            transaction = _RedisTransaction(pipeline, self._namespace, self._index)
            result = work(transaction)
            transaction.write()
            return result

        def transact() -> Result:
            self._complete_index()
            result = self._client.transaction(attempt, self._namespace + lock, value_from_callable=True)
            return cast(Result, result)

        return await self._in_thread(transact)

    async def check(self) -> None:
        def put_and_delete() -> None:
            key = f"{self._namespace}health"
            pipeline = self._client.pipeline()
            pipeline.set(key, "")
            pipeline.delete(key)
            pipeline.execute()

        await self._in_thread(put_and_delete)

    async def close(self) -> None:
        await asyncio.to_thread(self._threads.shutdown)
        self._client.close()

    async def _in_thread[Result](self, work: Callable[[], Result]) -> Result:
        request = contextvars.copy_context()  # which says who the user is

        def run() -> Result:
            with self._errors():
                return request.run(work)

        return await asyncio.get_running_loop().run_in_executor(self._threads, run)

    def _evaluate(self, script: str, *arguments: str) -> list[str]:
        self._complete_index()
        found: Any = self._client.eval(script, 1, self._index, self._namespace, *arguments)
        return list(found)

    def _complete_index(self) -> None:
        """Take in the keys that llama-stack's own store has written, which keeps no index."""
        with self._index_lock:
            if self._index_complete:
                return
            pattern = re.sub(r"([\\*?\[\]])", r"\\\1", self._namespace) + "*"
            if names := dict.fromkeys(self._client.scan_iter(match=pattern, count=1000, _type="string"), 0):
                self._client.zadd(self._index, names)
            self._index_complete = True

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except redis.RedisError as error:
            # Of an error in a pipeline the client tells the whole command, with the value that was to be written.
            reason = str(error).rpartition("of pipeline caused error: ")[2]
            raise StoreUnavailable(f"The {self} cannot be used: {reason}") from error


class _RedisTransaction:
    """Reads at once, through a pipeline that watches; writes last, all together."""

    def __init__(self, pipeline: Any, namespace: str, index: str) -> None:
        self._pipeline = pipeline
        self._namespace = namespace
        self._index = index
        self._values: dict[str, str] = {}
        self._removed: list[str] = []

    def get(self, key: str) -> str | None:
        value: str | None = self._pipeline.get(self._namespace + key)
        return value

    def put(self, key: str, value: str) -> None:
        self._values[self._namespace + key] = value

    def delete(self, prefix: str) -> int:
        first = (self._namespace + prefix).encode()
        found = self._pipeline.zrangebylex(self._index, b"[" + first, b"(" + first + b"\xff")
        self._removed += found
        return len(found)

    def write(self) -> None:
        """Queue the writes, to be carried out by the pipeline in one go."""
        self._pipeline.multi()
        if self._removed:
            self._pipeline.delete(*self._removed)
            self._pipeline.zrem(self._index, *self._removed)
        if self._values:
            self._pipeline.mset(self._values)
            self._pipeline.zadd(self._index, dict.fromkeys(self._values, 0))
