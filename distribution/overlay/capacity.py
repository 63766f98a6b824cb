"""More requests than the server can serve: they wait in a line, and are refused when they have waited too long."""

import asyncio
import logging
import os
import socket
from collections import deque
from time import perf_counter
from typing import TYPE_CHECKING, Any

from distribution.logs.access import PROBES
from distribution.overlay.declaration import change
from distribution.upstream.application import APPLICATION_FACTORY
from distribution.upstream.settings import MAX_CONCURRENT_REQUESTS
from providers import request_facts
from providers.error_body import error_body

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

log = logging.getLogger(__name__)

FEW = 64
"""So many requests at once are not too many, however long each of them keeps the server."""
TICK = 0.05
"""Every so many seconds the event loop is looked at; it is late if it comes as much later than that."""
TURN = 0.02
"""How many seconds a turn of the event loop may take while requests wait in the line: what a probe waits, twice."""
MOST_BEGUN_IN_A_TURN = 64
PATIENCE = 1.0
"""How many seconds a request waits in the line."""
HOLD = 1.0
"""For so many seconds after the event loop was late, or had a line, requests come to its end."""
SECONDS_BETWEEN_LINES = 1.0
RETRY_AFTER = b"1"
"""Seconds."""
ACCEPTED_IN_A_TURN = 16


@change(
    "llama_stack.core.server.server:create_app",
    takes=(),
    why="There is no limit to how many requests are begun: with more than can be served all become slow, clients and "
    "probes give up, and Kubernetes restarts a server that is merely busy.",
)
def create_app(original: Any) -> Any:
    def create_app() -> Any:
        app = original()
        app.add_middleware(Capacity, most=MAX_CONCURRENT_REQUESTS.of())
        return app

    return create_app


@change(
    "uvicorn.server:Server.startup",
    takes=("self", "sockets"),
    why="uvloop accepts one connection in a turn of the event loop: with 640 busy connections, turns are long, and a "
    "new one such as a probe's waits for seconds behind others. Here a turn accepts sixteen.",
)
def startup(original: Any) -> Any:
    async def startup(self: Any, sockets: Any = None) -> None:
        await original(self, sockets)
        loop = asyncio.get_running_loop()
        if self.config.app != APPLICATION_FACTORY or type(loop).__module__ != "uvloop":
            return

        def protocol() -> Any:
            config, state = self.config, self.lifespan.state
            return config.http_protocol_class(config=config, server_state=self.server_state, app_state=state)

        listening = [one.fileno() for server in self.servers for one in server.sockets]
        for number in listening * (ACCEPTED_IN_A_TURN - 1):
            again = socket.socket(fileno=os.dup(number))
            options = {"ssl": self.config.ssl, "backlog": self.config.backlog}
            self.servers.append(await loop.create_server(protocol, sock=again, **options))

    return startup


class Capacity:
    """ASGI middleware: has requests wait while the event loop is late, so that its turns are short and probes answered.

    A request that has waited too long, or that goes beyond `most` at once, is answered 503; one line a second says so.
    """

    def __init__(self, app: "ASGIApp", most: int) -> None:
        import msgspec

        self._app = app
        self._most = most
        self._under_way = 0
        self._line: deque[tuple[float, asyncio.Future[bool]]] = deque()
        self._begun_in_a_turn = 1
        self._turned_at = 0.0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_late = False
        self._late_until = 0.0
        self._refused = 0
        self._told_at = 0.0
        message = "The server has more requests than it can serve. Try again in a second."
        self._body = msgspec.json.encode(error_body(503, message))
        self._head = [
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(self._body)),
            (b"retry-after", RETRY_AFTER),
        ]

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Serve one request."""
        if self._loop is None:
            self._watch(asyncio.get_running_loop())
        if scope["type"] != "http" or scope["path"] in PROBES:
            await self._app(scope, receive, send)
        elif self._under_way + len(self._line) >= self._most or not (
            self._under_way < FEW or not self._is_late or await self._its_turn()
        ):
            await self._refuse(send)
        else:
            self._under_way += 1
            try:
                await self._app(scope, receive, send)
            finally:
                self._under_way -= 1

    def _watch(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._ticked_at = perf_counter()
        loop.call_later(TICK, self._tick, loop)

    def _tick(self, loop: asyncio.AbstractEventLoop) -> None:
        now = perf_counter()  # what uvloop says is the time at which this turn began
        if self._line or now - self._ticked_at > 2 * TICK:
            self._late_until = now + HOLD
        self._ticked_at = now
        self._is_late = now < self._late_until
        if self._refused and now - self._told_at >= SECONDS_BETWEEN_LINES:
            log.warning(
                f"{self._refused} requests were refused: {self._under_way + len(self._line)} are here, "
                f"{self._under_way} of them under way"
            )
            self._refused, self._told_at = 0, now
        loop.call_later(TICK, self._tick, loop)

    def _its_turn(self) -> asyncio.Future[bool]:
        """Come to the end of the line; true when it is this request's turn, false when it has waited too long."""
        loop = asyncio.get_running_loop()
        now = perf_counter()
        waiting: asyncio.Future[bool] = loop.create_future()
        if not self._line:
            self._turned_at = now
            loop.call_soon(self._turn, loop)
        self._line.append((now, waiting))
        return waiting

    def _turn(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin some requests; fewer than before if those of the last turn have made it long."""
        now = perf_counter()
        is_long = now - self._turned_at > TURN
        self._turned_at = now
        self._begun_in_a_turn = (
            max(1, self._begun_in_a_turn // 2) if is_long else min(MOST_BEGUN_IN_A_TURN, self._begun_in_a_turn + 1)
        )
        while self._line and self._line[0][0] < now - PATIENCE:
            _answer(self._line.popleft()[1], False)
        for _ in range(min(len(self._line), self._begun_in_a_turn)):
            _answer(self._line.popleft()[1], True)
        if self._line:
            loop.call_soon(self._turn, loop)

    async def _refuse(self, send: "Send") -> None:
        self._refused += 1
        if facts := request_facts.current.get():
            facts.has_line = False
        await send({"type": "http.response.start", "status": 503, "headers": self._head})
        await send({"type": "http.response.body", "body": self._body, "more_body": False})


def _answer(waiting: "asyncio.Future[bool]", answer: bool) -> None:
    if not waiting.done():  # else nobody waits any more
        waiting.set_result(answer)
