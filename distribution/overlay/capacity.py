"""More requests than the server can serve: some are refused at once, so that the others and probes are answered."""

import asyncio
import logging
import os
import socket
from time import perf_counter
from typing import TYPE_CHECKING, Any

from distribution.overlay.declaration import change
from distribution.upstream.application import APPLICATION_FACTORY
from distribution.upstream.settings import MAX_CONCURRENT_REQUESTS
from providers import request_facts
from providers.error_body import error_body

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

log = logging.getLogger(__name__)

PROBES = frozenset({"/v1/health", "/v1/version"})
"""What is never refused: whoever asks decides whether the server lives on."""
FEW = 64
"""So many requests at once are not too many, however long each of them keeps the server."""
TICK = 0.05
"""Every so many seconds the event loop is looked at; it is late if it is late by as much again, twice in a row."""
BEGUN_IN_A_TURN = 0.01
"""For so many seconds of each turn of an event loop that is late requests are begun; those after them are refused."""
HOLD = 1.0
"""So many seconds after the last refusal the event loop counts as late."""
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
    """ASGI middleware: answers 503 to what is too much, and says so in one line a second.

    Too much is what goes beyond `most` requests at once, and, while the event loop is late, what it cannot begin soon.
    """

    def __init__(self, app: "ASGIApp", most: int) -> None:
        import msgspec

        self._app = app
        self._most = most
        self._requests = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_late = False
        self._late_until = 0.0
        self._turn_began = 0.0
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
        elif self._requests >= self._most or (self._is_late and self._requests >= FEW and self._turn_is_full()):
            await self._refuse(send)
        else:
            self._requests += 1
            try:
                await self._app(scope, receive, send)
            finally:
                self._requests -= 1

    def _watch(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._was_late = False
        self._ticked_at = perf_counter()
        loop.call_later(TICK, self._tick, loop)

    def _tick(self, loop: asyncio.AbstractEventLoop) -> None:
        now = perf_counter()  # what uvloop says is the time at which this turn began
        was_late, self._was_late = self._was_late, now - self._ticked_at > 2 * TICK
        self._ticked_at = now
        if was_late and self._was_late:
            self._late_until = now + HOLD
        self._is_late = now < self._late_until
        if self._refused and now - self._told_at >= SECONDS_BETWEEN_LINES:
            log.warning(
                f"{self._refused} requests were refused: {self._requests} are under way, "
                + ("and the server is late with them" if self._is_late else f"and {self._most} may be")
            )
            self._refused, self._told_at = 0, now
        loop.call_later(TICK, self._tick, loop)

    def _turn_is_full(self) -> bool:
        """Whether requests have been begun for as long as may be, since the event loop last looked at its sockets."""
        now = perf_counter()
        if not self._turn_began:
            self._turn_began = now
            asyncio.get_running_loop().call_soon(self._end_turn)
        if now - self._turn_began <= BEGUN_IN_A_TURN:
            return False
        self._late_until = now + HOLD
        return True

    def _end_turn(self) -> None:
        self._turn_began = 0.0

    async def _refuse(self, send: "Send") -> None:
        self._refused += 1
        if facts := request_facts.current.get():
            facts.has_line = False
        await send({"type": "http.response.start", "status": 503, "headers": self._head})
        await send({"type": "http.response.body", "body": self._body, "more_body": False})
