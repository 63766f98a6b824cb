"""Batches: results as OpenAI gives them, and an end for each batch whose server ended before it.

A batch is worked at in memory only. It is not taken up again: it would run for whoever asks first after the start, who
would own its results, and one that takes the server down would do so again.
"""

import json
import time
from collections.abc import Awaitable, Callable
from typing import Any

from distribution.launch.gate import is_worker
from distribution.overlay.declaration import change
from distribution.overlay.replicas import is_shared

BATCHES = "llama_stack.providers.inline.batches.reference.batches:ReferenceBatchesImpl"

AsyncFunction = Callable[..., Awaitable[Any]]

UNFINISHED = ("validating", "in_progress", "finalizing")
INTERRUPTED = (
    "The server ended before this batch was done. It can be sent again, with another idempotency key if it had one."
)


@change(
    f"{BATCHES}.initialize",
    takes=("self",),
    why="A batch whose server was killed stays `in_progress` for ever. Here it ends, unless another process may be "
    "working at it.",
)
def initialize(original: AsyncFunction) -> AsyncFunction:
    async def initialize(self: Any) -> None:
        from llama_stack.providers.inline.batches.reference.batches import BATCH_PREFIX

        await original(self)
        if is_shared(self.kvstore) or is_worker():
            return
        for stored in await self.kvstore.values_in_range(BATCH_PREFIX, f"{BATCH_PREFIX}\xff"):
            batch = json.loads(stored)
            await _end(self, batch["id"], batch["status"])

    return initialize


@change(
    f"{BATCHES}.shutdown",
    takes=("self",),
    why="A batch whose server is stopped stays as it is, or is called cancelled. Here it ends with a reason; no other "
    "process could tell, where several share a store.",
)
def shutdown(original: AsyncFunction) -> AsyncFunction:
    async def ignore(batch_id: str, **updates: Any) -> None:
        pass

    async def shutdown(self: Any) -> None:
        await original(self)
        for batch_id in list(self._processing_tasks):
            await _end(self, batch_id, (await self.retrieve_batch(batch_id)).status)
        self._update_batch = ignore  # nothing changes it any more

    return shutdown


@change(
    f"{BATCHES}._process_single_request",
    takes=("self", "batch_id", "request"),
    why="`response.body` in a batch's output is a string of JSON where OpenAI has an object.",
)
def process_single_request(original: AsyncFunction) -> AsyncFunction:
    async def process(*arguments: Any, **options: Any) -> dict[str, Any]:
        result: dict[str, Any] = await original(*arguments, **options)
        if "response" in result:
            result["response"]["body"] = json.loads(result["response"]["body"])
        return result

    return process


@change(
    f"{BATCHES}._create_output_file",
    takes=("self", "batch_id", "results", "file_type"),
    why="A batch without errors has an empty file of errors, and one without results an empty file of results.",
)
def create_output_file(original: AsyncFunction) -> AsyncFunction:
    async def create(self: Any, batch_id: str, results: list[Any], file_type: str) -> Any:
        return await original(self, batch_id, results, file_type) if results else None

    return create


async def _end(self: Any, batch_id: str, status: str) -> None:
    now = int(time.time())
    if status == "cancelling":
        await self._update_batch(batch_id, status="cancelled", cancelled_at=now)
    elif status in UNFINISHED:
        from openai.types.batch import Errors
        from openai.types.batch_error import BatchError

        errors = Errors(data=[BatchError(code="server_ended", message=INTERRUPTED)])
        await self._update_batch(batch_id, status="failed", failed_at=now, errors=errors)
