"""A service that speaks OpenAI's protocol, and the connections that lead there."""

import asyncio
import ssl
from dataclasses import dataclass
from urllib.parse import urlsplit

from distribution.lane.connection import Answer, Connection
from distribution.lane.failures import ServiceBroke, ServiceUnreachable
from distribution.upstream.settings import BACKEND_ANSWER_SECONDS, BACKEND_CONNECT_SECONDS, BACKEND_SILENCE_SECONDS

PAUSES = (0.1, 0.5)
"""Seconds between the tries to connect."""
IDLE_SECONDS = 30.0
"""How long a connection is kept that nobody uses."""
SWEEP_SECONDS = 1.0
"""How often deadlines are looked at: how much later than said a request may time out."""


@dataclass(frozen=True)
class Patience:
    """How long a service may take, in seconds: to connect, to begin its answer, to go on with it."""

    connect: float
    first_byte: float
    between_parts: float


def patience() -> Patience:
    """Return what the variables say."""
    return Patience(BACKEND_CONNECT_SECONDS.of(), BACKEND_ANSWER_SECONDS.of(), BACKEND_SILENCE_SECONDS.of())


class Backend:
    """The connections of one event loop to one service.

    A request that finds no idle connection makes one; how many requests there are is limited elsewhere.
    """

    def __init__(self, url: str, tls: ssl.SSLContext | None, patience: Patience) -> None:
        parts = urlsplit(url)
        self._host = parts.hostname or ""
        self._tls = tls if parts.scheme == "https" else None
        self._port = parts.port or (443 if self._tls else 80)
        self._patience = patience
        self._loop = asyncio.get_running_loop()
        self._all: set[Connection] = set()
        self._idle: list[Connection] = []
        self._sweep()

    async def send(self, request: bytes) -> Answer:
        """Send a request, head and body, and return its answer once status and headers are there.

        A connection that was closed while it lay idle is replaced without a word, once: a request that makes the
        service hang up meets it twice at most. Raises ServiceUnreachable, ServiceTimeout or ServiceBroke.
        """
        if connection := self._take():
            try:
                return await self._ask(connection, request)
            except ServiceBroke as failure:
                if not failure.before_answer:
                    raise
        return await self._ask(await self._connect(), request)

    async def _ask(self, connection: Connection, request: bytes) -> Answer:
        answer = connection.send(request, self._patience.first_byte, self._patience.between_parts)
        try:
            await answer.head()
        except asyncio.CancelledError:
            answer.abandon()
            raise
        return answer

    def close(self) -> None:
        """Close all connections."""
        self._sweeper.cancel()
        for connection in list(self._all):
            connection.fail(ServiceBroke("is hung up on: the server stops"))

    def _take(self) -> Connection | None:
        while self._idle:
            connection = self._idle.pop()
            if connection.is_open:
                return connection
        return None

    async def _connect(self) -> Connection:
        for pause in (*PAUSES, None):
            try:
                async with asyncio.timeout(self._patience.connect):
                    _, connection = await self._loop.create_connection(
                        lambda: Connection(self._idle.append, self._forget), self._host, self._port, ssl=self._tls
                    )
            except (OSError, TimeoutError) as error:
                if pause is None or isinstance(error, ssl.SSLError | TimeoutError):
                    raise ServiceUnreachable(_reason(error)) from error
                await asyncio.sleep(pause)
            else:
                self._all.add(connection)
                return connection
        raise AssertionError("the last try either connects or raises")

    def _forget(self, connection: Connection) -> None:
        self._all.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)

    def _sweep(self) -> None:
        now = self._loop.time()
        for connection in [one for one in self._all if one.deadline < now]:
            connection.time_out()
        for connection in [one for one in self._idle if one.idle_since < now - IDLE_SECONDS]:
            connection.close()
        self._sweeper = self._loop.call_later(SWEEP_SECONDS, self._sweep)


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError) and not error.errno:
        return "no connection in time"
    return str(error) or type(error).__name__
