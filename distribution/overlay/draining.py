"""Stopping: no new requests, those in flight end within a limit, what is left then is cut with a clear end."""

import asyncio
import json
import logging
import os
import signal
import sys
import threading
from typing import TYPE_CHECKING, Any

from distribution.launch.errors import OK
from distribution.launch.gate import is_worker
from distribution.overlay.declaration import change
from distribution.upstream.application import APPLICATION_FACTORY
from distribution.upstream.settings import SHUTDOWN_GRACE_SECONDS

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = logging.getLogger(__name__)

SECONDS_OF_CUTTING = 2
"""How long the ends of requests that are cut may take to reach their clients."""
SECONDS_OF_CLOSING = 6
"""How long providers may take to close afterwards, and threads that still work to end."""
SECONDS_BETWEEN_LOOKS = 0.05
STOPPING = "The server is stopping, and this request took longer than it waits."

NO_LIMIT = (
    "uvicorn waits for requests in flight as long as they take, so that Kubernetes kills the server in the midst of a "
    "chunk, and nothing is closed; told a limit, it logs a traceback for each request that it cancels."
)
NOT_HEARD = "The parent of several workers keeps the port open until the last has ended, and hears no second signal."


@change("llama_stack.core.server.server:create_app", takes=(), why=NO_LIMIT)
def create_app(original: Any) -> Any:
    def create_app() -> Any:
        app = original()
        app.add_middleware(Draining)
        return app

    return create_app


@change("uvicorn.server:Server.shutdown", takes=("self", "sockets"), why=NO_LIMIT)
def shutdown(original: Any) -> Any:
    async def shutdown(self: Any, sockets: Any = None) -> None:
        if self.config.app != APPLICATION_FACTORY:
            await original(self, sockets)
            return
        told = self.config.timeout_graceful_shutdown
        limit = SHUTDOWN_GRACE_SECONDS.of() if told is None else told
        self.config.timeout_graceful_shutdown = limit + SECONDS_OF_CUTTING  # for requests that cannot be cut
        cutting = asyncio.create_task(_cut_after(limit, self.server_state))
        closing = asyncio.create_task(original(self, sockets))
        now = asyncio.get_running_loop().time
        end = now() + limit + SECONDS_OF_CUTTING + SECONDS_OF_CLOSING
        signals = self._captured_signals
        while not (closing.done() or _told_twice(signals)) and now() < end:
            await asyncio.wait([closing], timeout=SECONDS_BETWEEN_LOOKS)
        cutting.cancel()
        if not closing.done() or _told_twice(signals):
            log.warning("the server ends at once: it was told to stop twice, or a provider does not close")
            await _cut(self.server_state)
            _end()
        closing.result()
        if signals:
            # uvicorn would raise them again, and the exit code would depend on who has started the server.
            signals.clear()
            _end_within(min(SECONDS_OF_CLOSING, max(end - now(), SECONDS_BETWEEN_LOOKS)))

    return shutdown


@change("uvicorn.supervisors.multiprocess:Multiprocess.join_all", takes=("self",), why=NOT_HEARD)
def join_all(_: Any) -> Any:
    def join_all(self: Any) -> None:
        # The workers have closed the port; as long as it is open here, clients wait at it for nobody.
        for listener in self.sockets:
            listener.close()
        while any(worker.process.is_alive() for worker in self.processes):
            if self.signal_queue:
                self.signal_queue.clear()
                for worker in self.processes:
                    worker.process.terminate()
            for worker in self.processes:
                worker.process.join(SECONDS_BETWEEN_LOOKS)

    return join_all


def _told_twice(signals: list[int]) -> bool:
    # An interrupt at the terminal goes to workers as well, whose parent then tells them once more.
    told_by_both = is_worker() and {signal.SIGINT, signal.SIGTERM} <= set(signals)
    return len(signals) > 1 + told_by_both


async def _cut_after(seconds: float, state: Any) -> None:
    await asyncio.sleep(seconds)
    if in_flight:
        log.warning("%d requests did not end within %g s and are cut", len(in_flight), seconds)
    await _cut(state)


async def _cut(state: Any) -> None:
    """Have all requests in flight end, and close the connections of clients that do not take what is said to them."""
    for request in in_flight:
        request.cut()
    now = asyncio.get_running_loop().time
    end = now() + SECONDS_OF_CUTTING / 2
    while (in_flight or state.connections) and now() < end:
        await asyncio.sleep(SECONDS_BETWEEN_LOOKS)
    for connection in list(state.connections):
        connection.transport.abort()


def _end_within(seconds: float) -> None:
    """See to it that threads which still work do not keep a process that has closed everything else."""
    last_resort = threading.Timer(seconds, _end)
    last_resort.daemon = True
    last_resort.start()


def _end() -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(OK)


class Draining:
    """ASGI middleware: knows the requests in flight, so that they can be cut."""

    def __init__(self, app: "ASGIApp") -> None:
        self._app = app

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = InFlight(send)
        in_flight.add(request)
        try:
            await self._app(scope, receive, request.send)
        except (Exception, asyncio.CancelledError):
            if not request.is_cut:
                raise
        finally:
            if request.is_cut:
                await request.end()
            in_flight.discard(request)


class InFlight:
    """A request that has not been answered, or not to the end."""

    def __init__(self, send: "Send") -> None:
        self.is_cut = False
        self._send = send
        self._task = asyncio.current_task()
        self._is_stream: bool | None = None
        """Whether the answer is a stream of events; None before it has begun."""
        self._has_ended = False

    def cut(self) -> None:
        """Have the application leave the request."""
        if self._task is not None and not (self.is_cut or self._has_ended):
            self.is_cut = True
            self._task.cancel()

    async def send(self, message: "Message") -> None:
        """Pass on what the application answers, until the request is cut."""
        if self.is_cut:
            return
        await self._send(message)
        if message["type"] == "http.response.start":
            self._is_stream = any(
                name.lower() == b"content-type" and value.startswith(b"text/event-stream")
                for name, value in message.get("headers", ())
            )
        else:
            self._has_ended = not message.get("more_body", False)

    async def end(self) -> None:
        """Say that the request is cut: a status, or the last event of a stream; of other answers nobody can."""
        from starlette.responses import JSONResponse

        from providers.error_body import error_body

        if self._task is not None:
            self._task.uncancel()
        body = error_body(503, STOPPING)
        if self._is_stream is None:
            answer = JSONResponse(body, status_code=503, headers={"Retry-After": "1", "Connection": "close"})
            await answer({"type": "http"}, None, self._send)  # type: ignore[arg-type]
        elif self._is_stream:
            await self._send({"type": "http.response.body", "body": f"data: {json.dumps(body)}\n\n".encode()})


in_flight: set[InFlight] = set()
"""Those of this process."""
