"""One connection to a service: HTTP/1.1, one exchange at a time."""

import asyncio
from collections.abc import Callable
from math import inf
from typing import cast

import httptools

from distribution.lane.failures import ServiceBroke, ServiceTimeout

MOST_WAITING_BYTES = 1 << 18
"""How much of an answer may lie here before nothing more is read from the service."""
MOST_BYTES_AROUND = 1 << 19
"""How much may come without a byte of a body in it, as heads and trailers do; one read may have half of it."""


class Answer:
    """What a service answers, while it comes in.

    Parts are those of the body as they came. Whoever takes them late has the service wait.
    """

    def __init__(self, connection: "Connection") -> None:
        self.status = 0
        self.headers: dict[bytes, bytes] = {}
        """Names in lower case; of several of one name, the last."""
        self.is_complete = False
        self.says_its_end = True
        """Whether its end can be told from a connection that was lost."""
        self._connection = connection
        self._parts: list[bytes] = []
        self._waiting_bytes = 0
        self._failure: Exception | None = None
        self._waiter: asyncio.Future[None] | None = None

    async def head(self) -> None:
        """Wait for status and headers; raises ServiceBroke or ServiceTimeout."""
        while not self.status:
            await self._news()

    async def take(self) -> bytes:
        """Wait for more of the body and return it; b"" at its end. Raises ServiceBroke or ServiceTimeout."""
        while not self._parts:
            if self.is_complete:
                return b""
            await self._news()
        part = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
        self._parts.clear()
        self._waiting_bytes = 0
        if not self.is_complete:  # else the connection may be somebody else's
            self._connection.go_on_reading()
        return part

    async def whole(self, most_bytes: int) -> bytes:
        """Wait for the body and return it; raises ServiceBroke, also for a larger one, or ServiceTimeout."""
        body = await self.take()
        if self.is_complete and not self._parts:
            return body
        parts, size = [body], len(body)
        while part := await self.take():
            parts.append(part)
            size += len(part)
            if size > most_bytes:
                self.abandon()
                raise ServiceBroke(f"answers with more than {most_bytes} bytes")
        return b"".join(parts)

    def abandon(self) -> None:
        """Hang up if the answer is not complete, upon which the service can stop."""
        if not self.is_complete and self._failure is None:
            self._connection.fail(ServiceBroke("was hung up on"))

    def add(self, part: bytes) -> int:
        """Take in a part of the body; returns how many bytes lie here."""
        self._parts.append(part)
        self._waiting_bytes += len(part)
        self.wake()
        return self._waiting_bytes

    def end(self, failure: Exception | None = None) -> None:
        """Take in that nothing more comes, or why."""
        if failure is None:
            self.is_complete = True
        else:
            self._failure = failure
        self.wake()

    def wake(self) -> None:
        """Let whoever waits look again."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def _news(self) -> None:
        if self._failure is not None:
            raise self._failure
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None


class Connection(asyncio.Protocol):
    """A connection, of which `released` is told when it may carry the next exchange, and `lost` when it never will."""

    def __init__(self, released: Callable[["Connection"], None], lost: Callable[["Connection"], None]) -> None:
        self.deadline = inf
        """When the service has to have said more, in seconds of the event loop's clock."""
        self.idle_since = 0.0
        self._released, self._lost = released, lost
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport
        self._answer: Answer | None = None
        self._headers: dict[bytes, bytes] = {}
        self._seconds_between_parts = inf
        self._bytes_around = 0
        self._is_paused = False

    def send(self, request: bytes, seconds_to_first: float, seconds_between: float) -> Answer:
        """Send a whole request and return its answer, of which nothing is there yet."""
        answer = self._answer = Answer(self)
        self._headers = {}
        self._bytes_around = 0
        self._seconds_between_parts = seconds_between
        self.deadline = self._loop.time() + seconds_to_first
        self._transport.write(request)
        return answer

    @property
    def is_open(self) -> bool:
        """Whether it can carry an exchange, as far as anybody knows."""
        return not self._transport.is_closing()

    def close(self) -> None:
        """Close it, when nothing is under way."""
        self._transport.close()

    def fail(self, failure: Exception) -> None:
        """End the exchange and the connection with it."""
        answer, self._answer = self._answer, None
        self.deadline = inf
        self._transport.abort()
        if answer is not None:
            answer.end(failure)

    def time_out(self) -> None:
        """End the exchange because the deadline has passed."""
        begun = self._answer is not None and self._answer.status
        self.fail(ServiceTimeout("stopped in the middle of its answer" if begun else "did not answer in time"))

    def go_on_reading(self) -> None:
        """Read again, what was there having been taken."""
        if self._is_paused and self._answer is not None:
            self._is_paused = False
            self.deadline = self._loop.time() + self._seconds_between_parts
            self._transport.resume_reading()

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Parse what has come."""
        if self._answer is None:  # nobody asked
            self._transport.abort()
            return
        self.deadline = self._loop.time() + self._seconds_between_parts
        self._bytes_around += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self.fail(ServiceBroke("answers what is no HTTP"))
        if self._bytes_around > MOST_BYTES_AROUND:
            self.fail(ServiceBroke(f"sends more than {MOST_BYTES_AROUND} bytes around what it has to say"))

    def connection_lost(self, error: Exception | None) -> None:
        """End the exchange: well, if only the end of the connection could end the answer."""
        self._lost(self)
        answer, self._answer = self._answer, None
        if answer is None:
            return
        ends_with_connection = answer.status and not {b"content-length", b"transfer-encoding"} & answer.headers.keys()
        if ends_with_connection and error is None:
            answer.says_its_end = False
            answer.end()
        else:
            place = "in the middle of its answer" if answer.status else "before it answered"
            answer.end(ServiceBroke(f"closed the connection {place}", before_answer=not answer.status))

    # What the parser calls.

    def on_message_begin(self) -> None:
        """Hang up on a service that goes on with an answer that nobody has asked for: the next one would get it."""
        if self._answer is None:
            self._transport.abort()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header; what comes behind a body is none."""
        if self._answer is not None and not self._answer.status:
            self._headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        """Let it be known that the answer begins; what is merely said in between (1xx) is none."""
        status = self._parser.get_status_code()
        if self._answer is not None and status >= 200:
            self._answer.status, self._answer.headers = status, self._headers
            self._answer.wake()

    def on_body(self, part: bytes) -> None:
        """Hand on a part, and have the service wait when too many lie there."""
        self._bytes_around = 0
        if self._answer is not None and self._answer.add(part) > MOST_WAITING_BYTES and not self._is_paused:
            self._is_paused = True
            self.deadline = inf
            self._transport.pause_reading()

    def on_message_complete(self) -> None:
        """End the exchange."""
        answer = self._answer
        if answer is None or not answer.status:
            self._headers = {}
            return
        self._answer = None
        self.deadline = inf
        if self._is_paused:
            self._is_paused = False
            self._transport.resume_reading()
        if self._parser.should_keep_alive():
            self.idle_since = self._loop.time()
            self._released(self)
        else:
            self._transport.close()
        answer.end()
