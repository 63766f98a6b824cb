"""Batches: results as OpenAI gives them, and an end for each batch whose server ended before it.

A batch is worked at in memory only. It is not taken up again: it would run for whoever asks first after the start, who
would own its results, and one that takes the server down would do so again.
"""

import functools
import json
import time
from collections.abc import Awaitable, Callable
from types import ModuleType
from typing import Any

from distribution.launch.gate import is_worker
from distribution.overlay.replicas import is_shared

AsyncFunction = Callable[..., Awaitable[Any]]

UNFINISHED = ("validating", "in_progress", "finalizing")
INTERRUPTED = (
    "The server ended before this batch was done. It can be sent again, with another idempotency key if it had one."
)


def change_batches(module: ModuleType) -> None:
    """llama_stack.providers.inline.batches.reference.batches: see above."""
    batches: Any = module.ReferenceBatchesImpl
    batches.initialize = _ending_interrupted(batches.initialize, module)
    batches.shutdown = _ending_own(batches.shutdown, module)
    batches._process_single_request = _with_body_as_object(batches._process_single_request)
    batches._create_output_file = _unless_empty(batches._create_output_file)


def _ending_interrupted(method: AsyncFunction, module: ModuleType) -> AsyncFunction:
    """The method, then an end to what a killed process left, unless another one may be working at it."""

    @functools.wraps(method)
    async def initialize(self: Any) -> None:
        await method(self)
        if is_shared(self.kvstore) or is_worker():
            return
        prefix = module.BATCH_PREFIX
        for stored in await self.kvstore.values_in_range(prefix, f"{prefix}\xff"):
            batch = json.loads(stored)
            await _end(self, batch["id"], batch["status"], module)

    return initialize


def _ending_own(method: AsyncFunction, module: ModuleType) -> AsyncFunction:
    """The method, then an end to what this process works at, which nothing changes any more.

    No other process could tell, where several share a store. Upstream leaves it as it is, or calls it cancelled.
    """

    async def ignore(batch_id: str, **updates: Any) -> None:
        pass

    @functools.wraps(method)
    async def shutdown(self: Any) -> None:
        await method(self)
        for batch_id in list(self._processing_tasks):
            await _end(self, batch_id, (await self.retrieve_batch(batch_id)).status, module)
        self._update_batch = ignore

    return shutdown


async def _end(self: Any, batch_id: str, status: str, module: ModuleType) -> None:
    now = int(time.time())
    if status == "cancelling":
        await self._update_batch(batch_id, status="cancelled", cancelled_at=now)
    elif status in UNFINISHED:
        errors = module.Errors(data=[module.BatchError(code="server_ended", message=INTERRUPTED)])
        await self._update_batch(batch_id, status="failed", failed_at=now, errors=errors)


def _with_body_as_object(method: AsyncFunction) -> AsyncFunction:
    """The method, whose response has as its body an object and not the JSON of one."""

    @functools.wraps(method)
    async def process(*arguments: Any, **options: Any) -> dict[str, Any]:
        result: dict[str, Any] = await method(*arguments, **options)
        if "response" in result:
            result["response"]["body"] = json.loads(result["response"]["body"])
        return result

    return process


def _unless_empty(method: AsyncFunction) -> AsyncFunction:
    """The method that makes a file of results, which makes none where there is nothing to put into it."""

    @functools.wraps(method)
    async def create(self: Any, batch_id: str, results: list[Any], file_type: str) -> Any:
        return await method(self, batch_id, results, file_type) if results else None

    return create
