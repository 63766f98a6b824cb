"""A mixed load, as clients of all sorts make it, and what came of it."""

import asyncio
import itertools
import random
import re
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from benchmarks import streams
from benchmarks.peers import CHAT_MODEL, CHAT_PATH, EMBEDDING_MODEL, Server

CLIENTS = 16
TIMEOUT = 30
"""Seconds for one request."""
REMEMBERED = 200
"""Completions that may be read or removed; the newest."""
SHOWN = 3
"""Mistakes of a kind that are kept in words."""
_ID = re.compile(rb'"id": ?"([^"]+)"')


@dataclass
class Outcome:
    """What was done, and what of it went wrong."""

    done: Counter[str] = field(default_factory=Counter)
    """How often, by kind."""
    wrong: Counter[str] = field(default_factory=Counter)
    """How often an answer was not the one that it had to be, by kind."""
    mistakes: list[str] = field(default_factory=list)
    """The first of each kind, in words."""
    acknowledged: set[str] = field(default_factory=set)
    """Ids of completions that are stored, if the server does what it says."""
    removed: set[str] = field(default_factory=set)


class Load:
    """Clients that each do one thing after the other, at random, until they are told to stop."""

    def __init__(self, server: Server, outcome: Outcome) -> None:
        self._server, self._outcome = server, outcome
        self._random = random.Random(0)  # noqa: S311 (the same mixture in every run)
        self._recent: deque[str] = deque(maxlen=REMEMBERED)
        self._numbers = itertools.count()
        self._kinds: dict[Callable[[aiohttp.ClientSession], Awaitable[None]], int] = {
            self._chat: 40,
            self._stream: 10,
            self._leave_stream: 5,
            self._leave_early: 3,
            self._embed: 15,
            self._fail: 8,
            self._ask_wrongly: 4,
            self._read: 8,
            self._list: 2,
            self._remove: 5,
        }

    async def run(self, seconds: float) -> None:
        """Do so for some seconds."""
        end = time.monotonic() + seconds
        kinds, weights = list(self._kinds), list(self._kinds.values())
        timeout = aiohttp.ClientTimeout(total=TIMEOUT)
        connector = aiohttp.TCPConnector(limit=CLIENTS)
        async with aiohttp.ClientSession(self._server.url, connector=connector, timeout=timeout) as session:

            async def work() -> None:
                while time.monotonic() < end:
                    (kind,) = self._random.choices(kinds, weights)
                    name = kind.__name__.lstrip("_")
                    try:
                        await kind(session)
                    except (aiohttp.ClientError, TimeoutError, AssertionError) as error:
                        self._outcome.wrong[name] += 1
                        if self._outcome.wrong[name] <= SHOWN:
                            self._outcome.mistakes.append(f"{name}: {type(error).__name__} {error}")
                    self._outcome.done[name] += 1

            await asyncio.gather(*(work() for _ in range(CLIENTS)))

    async def _chat(self, session: aiohttp.ClientSession) -> None:
        answer = await _asked(session, "POST", CHAT_PATH, 200, self._chat_body("How are you?"))
        self._acknowledged(answer["id"])

    async def _stream(self, session: aiohttp.ClientSession) -> None:
        chunks = self._random.choice((1, 5, 50))
        async with session.post(CHAT_PATH, json=streams.body(chunks)) as response:
            content = await response.read()
        _expect(response.status == 200, f"{response.status} {content[:200]!r}")
        _expect(content.count(b"t=") == chunks, f"{content.count(b't=')} chunks of {chunks}")
        if identifier := _ID.search(content):
            self._acknowledged(identifier[1].decode())

    async def _leave_stream(self, session: aiohttp.ClientSession) -> None:
        async with session.post(CHAT_PATH, json=streams.body(500)) as response:
            await response.content.readany()
            response.close()

    async def _leave_early(self, session: aiohttp.ClientSession) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(0.05):
                await _asked(session, "POST", CHAT_PATH, 200, self._chat_body("Answer after 300 ms"))

    async def _embed(self, session: aiohttp.ClientSession) -> None:
        texts = [f"text {next(self._numbers)}" for _ in range(self._random.choice((1, 1, 8, 64)))]
        answer = await _asked(session, "POST", "/v1/embeddings", 200, {"model": EMBEDDING_MODEL, "input": texts})
        _expect(len(answer["data"]) == len(texts), f"{len(answer['data'])} vectors of {len(texts)} texts")

    async def _fail(self, session: aiohttp.ClientSession) -> None:
        status = self._random.choice((400, 429, 500, 503))
        stream = {"stream": self._random.random() < 0.3}
        async with session.post(CHAT_PATH, json=self._chat_body(f"Please answer with {status}") | stream) as response:
            content = await response.read()
        # Of a stream, the status may have been sent before the model server refused.
        _expect(response.status >= 400 or b'"error"' in content, f"{response.status} {content[:200]!r}")

    async def _ask_wrongly(self, session: aiohttp.ClientSession) -> None:
        body = self._random.choice(({"model": "nobody/knows", "messages": []}, {"model": CHAT_MODEL}, {"messages": 1}))
        async with session.post(CHAT_PATH, json=body) as response:
            content = await response.read()
        _expect(400 <= response.status < 500, f"{response.status} {content[:200]!r}")

    async def _read(self, session: aiohttp.ClientSession) -> None:
        if self._recent:
            identifier = self._random.choice(self._recent)
            answer = await _asked(session, "GET", f"{CHAT_PATH}/{identifier}", 200)
            _expect(answer["id"] == identifier, f"asked for {identifier}, got {answer['id']}")

    async def _list(self, session: aiohttp.ClientSession) -> None:
        await _asked(session, "GET", f"{CHAT_PATH}?limit=5", 200)

    async def _remove(self, session: aiohttp.ClientSession) -> None:
        if self._recent:
            identifier = self._recent.popleft()  # nobody reads what is being removed
            await _asked(session, "DELETE", f"{CHAT_PATH}/{identifier}", 200)
            self._outcome.removed.add(identifier)
            await _asked(session, "GET", f"{CHAT_PATH}/{identifier}", 404)

    def _chat_body(self, content: str) -> dict[str, Any]:
        return {"model": CHAT_MODEL, "messages": [{"role": "user", "content": f"{next(self._numbers)} {content}"}]}

    def _acknowledged(self, identifier: str) -> None:
        self._outcome.acknowledged.add(identifier)
        self._recent.append(identifier)


async def _asked(
    session: aiohttp.ClientSession, method: str, path: str, status: int, body: dict[str, Any] | None = None
) -> Any:
    async with session.request(method, path, json=body) as response:
        content = await response.read()
        _expect(response.status == status, f"{method} {path}: {response.status} {content[:200]!r}")
        return await response.json()


def _expect(holds: bool, otherwise: str) -> None:
    if not holds:
        raise AssertionError(otherwise)
