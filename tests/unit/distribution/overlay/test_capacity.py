"""More requests than an event loop can serve: they wait, and some are refused; probes and few requests never."""

import asyncio
import json
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from distribution.logs.access import PROBES
from distribution.overlay import capacity
from distribution.overlay.capacity import FEW, SECONDS_BETWEEN_LINES, Capacity
from providers import request_facts
from providers.request_facts import RequestFacts

MANY = 300
TURNS = 6
A_WHILE = 0.001
"""Seconds that each of `MANY` keeps the event loop."""


class Client:
    """Sends requests to an application without a socket, and keeps what is answered."""

    def __init__(self, app: Any) -> None:
        self.app = app
        self.statuses: Counter[int] = Counter()
        self.refusals: list[tuple[dict[bytes, bytes], bytes]] = []
        self.facts: list[RequestFacts] = []

    async def ask(self, path: str = "/v1/chat/completions") -> int:
        facts = RequestFacts("id")
        request_facts.current.set(facts)
        said: list[Any] = []

        async def send(message: Any) -> None:
            said.append(message)

        async def receive() -> Any:
            raise AssertionError("nobody reads")

        await self.app({"type": "http", "path": path, "headers": []}, receive, send)
        status: int = said[0]["status"]
        self.statuses[status] += 1
        if status == 503:
            self.refusals.append((dict(said[0]["headers"]), said[1]["body"]))
            self.facts.append(facts)
        return status

    async def ask_often(self, count: int, turns: int = TURNS) -> None:
        """Send so many requests at once, several times; each is a task of its own, as in a server."""
        for _ in range(turns):
            await asyncio.gather(*(asyncio.create_task(self.ask()) for _ in range(count)))


def that_takes(seconds: float) -> Callable[..., Awaitable[None]]:
    """An application that keeps the event loop for as long, and waits for something else then."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        time.sleep(seconds)
        await asyncio.sleep(0.001)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    return app


def test_who_has_waited_too_long_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capacity, "PATIENCE", 0.05)

    async def main() -> Client:
        client = Client(Capacity(that_takes(A_WHILE), most=10_000))
        await client.ask_often(MANY)
        return client

    client = asyncio.run(main())

    assert client.statuses.keys() == {200, 503}
    assert client.statuses.total() == MANY * TURNS
    headers, body = client.refusals[0]
    assert headers[b"retry-after"] == b"1"
    assert headers[b"content-type"] == b"application/json"
    error = json.loads(body)["error"]
    assert error == {
        "message": "The server has more requests than it can serve. Try again in a second.",
        "type": "server_error",
        "param": None,
        "code": 503,
    }
    assert not any(facts.has_line for facts in client.facts)


def test_who_has_not_waited_too_long_is_served(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capacity, "PATIENCE", 60.0)

    async def main() -> Client:
        client = Client(Capacity(that_takes(A_WHILE), most=10_000))
        await client.ask_often(MANY)
        return client

    assert asyncio.run(main()).statuses == {200: MANY * TURNS}


def test_few_are_never_too_many() -> None:
    async def main() -> Client:
        client = Client(Capacity(that_takes(0.01), most=10_000))
        await client.ask_often(FEW)
        return client

    assert asyncio.run(main()).statuses == {200: FEW * TURNS}


def test_probes_are_never_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capacity, "PATIENCE", 0.05)

    async def main() -> set[int]:
        client = Client(Capacity(that_takes(A_WHILE), most=10_000))
        prober = Client(client.app)
        many = asyncio.create_task(client.ask_often(MANY, 2))
        while not many.done():
            for path in PROBES:
                await prober.ask(path)
        assert client.statuses[503]
        assert prober.statuses.total() > len(PROBES)
        return set(prober.statuses)

    assert asyncio.run(main()) == {200}


def test_what_goes_beyond_the_limit_is_refused(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> Client:
        go_on = asyncio.Event()

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await go_on.wait()
            await send({"type": "http.response.start", "status": 200, "headers": []})

        client = Client(Capacity(app, most=3))
        waiting = [asyncio.create_task(client.ask()) for _ in range(3)]
        await asyncio.sleep(0)
        assert [await client.ask() for _ in range(5)] == [503] * 5
        go_on.set()
        await asyncio.gather(*waiting)
        assert await client.ask() == 200
        await asyncio.sleep(SECONDS_BETWEEN_LINES / 4)
        return client

    with caplog.at_level(logging.WARNING):
        assert asyncio.run(main()).statuses == {200: 4, 503: 5}

    [line] = [record.getMessage() for record in caplog.records]
    assert line == "5 requests were refused: 0 are here, 0 of them under way"
