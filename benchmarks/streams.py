"""Streams of chat completions, and how long each chunk is on its way."""

import asyncio
import re
import time
from dataclasses import dataclass
from typing import Any

import aiohttp

from benchmarks import usage
from benchmarks.load import MICROSECONDS
from benchmarks.peers import CHAT_MODEL, CHAT_PATH, Server

TIMEOUT = 60
"""Seconds for one stream."""
_SENT = re.compile(rb"t=(\d+) ")
_LAST = re.compile(rb'"finish_reason": ?"stop"')  # stock sends no [DONE]


@dataclass(frozen=True)
class StreamSample:
    """Some streams; times in microseconds."""

    first: list[float]
    """From the request to the first chunk, for each stream."""
    delays: list[float]
    """From when a chunk left the model server to when it was here, for each chunk."""
    failures: int
    """Streams that were not answered, or not with every chunk."""
    cpu: float
    """Of the server for a stream."""


def body(chunks: int) -> dict[str, Any]:
    """What asks for a stream of so many chunks."""
    content = f"Tell me something in {chunks} chunks"
    return {"model": CHAT_MODEL, "stream": True, "messages": [{"role": "user", "content": content}]}


def run(server: Server, *, chunks: int, count: int, clients: int) -> StreamSample:
    """Ask for `count` streams of `chunks` chunks each, so many at a time; the server is idle before and after."""
    usage.wait_until_idle(server.process)
    cpu = usage.cpu_seconds(server.process)
    first, delays, failures = asyncio.run(_streams(server, chunks, count, clients))
    usage.wait_until_idle(server.process)
    cpu_each = (usage.cpu_seconds(server.process) - cpu) * MICROSECONDS / count
    return StreamSample(first, delays, failures, cpu_each)


async def _streams(server: Server, chunks: int, count: int, clients: int) -> tuple[list[float], list[float], int]:
    first: list[float] = []
    delays: list[float] = []
    failures = 0
    numbers = iter(range(count))
    timeout = aiohttp.ClientTimeout(total=TIMEOUT)

    async with aiohttp.ClientSession(server.url, headers=server.headers, timeout=timeout) as session:

        async def work() -> None:
            nonlocal failures
            for _ in numbers:
                try:
                    one_first, one_delays, done = await _stream(session, chunks)
                except (aiohttp.ClientError, TimeoutError):
                    failures += 1
                    continue
                failures += not done or len(one_delays) != chunks
                first.append(one_first)
                delays.extend(one_delays)

        await asyncio.gather(*(work() for _ in range(clients)))
    return first, delays, failures


async def _stream(session: aiohttp.ClientSession, chunks: int) -> tuple[float, list[float], bool]:
    """Until the first chunk, each chunk's delay, and whether it ended as it should."""
    delays: list[float] = []
    first = 0.0
    rest = b""
    asked = time.monotonic_ns()
    async with session.post(CHAT_PATH, json=body(chunks)) as response:
        response.raise_for_status()
        async for data in response.content.iter_any():
            now = time.monotonic_ns()
            rest += data
            end = 0
            for found in _SENT.finditer(rest):
                delays.append((now - int(found[1])) / 1000)
                end = found.end()
            if delays and not first:
                first = (now - asked) / 1000
            rest = rest[end:]
    return first, delays, _LAST.search(rest) is not None
