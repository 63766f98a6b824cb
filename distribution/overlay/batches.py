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
from distribution.overlay.request_limits import problem_of

BATCHES = "llama_stack.providers.inline.batches.reference.batches:ReferenceBatchesImpl"

AsyncFunction = Callable[..., Awaitable[Any]]

MOST_BYTES = 100 << 20
MOST_REQUESTS = 50_000
"""Of a batch's input, as with OpenAI."""
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


@change(
    f"{BATCHES}._validate_input",
    takes=("self", "batch"),
    why="The input of a batch is read into memory whatever its size, and may have any number of requests. A line that "
    "is nested deeper than Python recurses ends the batch without a reason.",
    advisory="requests-without-limits",
)
def validate_input(original: AsyncFunction) -> AsyncFunction:
    from openai.types.batch_error import BatchError

    def refused(message: str, line: int | None = None) -> tuple[list[Any], list[Any]]:
        return [BatchError(code="invalid_request", line=line, message=message, param="input_file_id")], []

    async def validate_input(self: Any, batch: Any) -> Any:
        try:
            file = await self.files_api.openai_retrieve_file(batch.input_file_id)
        except Exception:
            return await original(self, batch)  # which says that it is not there
        if file.bytes > MOST_BYTES:
            return refused(f"The input is larger than {MOST_BYTES} bytes.")
        content = (await self.files_api.openai_retrieve_file_content(batch.input_file_id)).body
        lines = content.split(b"\n")
        if len(lines) > MOST_REQUESTS:
            return refused(f"The input has more than {MOST_REQUESTS} lines.")
        for number, line in enumerate(lines, 1):
            if problem := problem_of(line):
                return refused(problem.replace("The body", "The line"), number)
        return await original(self, batch)

    return validate_input


async def _end(self: Any, batch_id: str, status: str) -> None:
    now = int(time.time())
    if status == "cancelling":
        await self._update_batch(batch_id, status="cancelled", cancelled_at=now)
    elif status in UNFINISHED:
        from openai.types.batch import Errors
        from openai.types.batch_error import BatchError

        errors = Errors(data=[BatchError(code="server_ended", message=INTERRUPTED)])
        await self._update_batch(batch_id, status="failed", failed_at=now, errors=errors)
