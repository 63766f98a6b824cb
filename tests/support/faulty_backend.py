"""A server of OpenAI's protocol that misbehaves as a request asks it to, byte by byte.

A request that says `do: NAME` somewhere gets what `BEHAVIOURS` has under that name; any other is answered well, with an
id of its own.
"""

import asyncio
import itertools
import json
import re
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.process import LOOPBACK

MODEL = "scripted"
EMBEDDING_MODEL = "scripted-embedding"
ORDER = re.compile(rb"do: ([a-z0-9 -]*[a-z0-9])")
TEXT = "Hello there."
DONE = b"data: [DONE]\n\n"
RETRY_AFTER = "7"
A_PIECE = b"Hello there, how are you today? " * 2048


@dataclass
class Asked:
    """A request as it came in."""

    head: bytes
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        """Its body."""
        parsed: dict[str, Any] = json.loads(self.body)
        return parsed

    @property
    def is_stream(self) -> bool:
        """Whether it asks for a stream."""
        return bool(self.json.get("stream"))


@dataclass
class FaultyBackend:
    """Where the server is, and what it has seen."""

    url: str = ""
    """With /v1, as VLLM_URL takes it."""
    asked: list[Asked] = field(default_factory=list)
    """All requests for answers, the oldest first."""
    connections: int = 0
    """How many there are now."""
    made: int = 0
    """How many there have been."""
    hung_up: int = 0
    """How many requests have lost their connection while they were waiting for more."""
    sent: int = 0
    """Bytes of the last endless answer that have left."""
    hang_up_idle: Callable[[], None] = lambda: None
    """Closes all connections that wait for a request."""


class Exchange:
    """One request and its connection."""

    def __init__(
        self, backend: FaultyBackend, asked: Asked, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.backend, self.asked, self.reader, self.writer = backend, asked, reader, writer

    async def send(self, *parts: bytes, pause: float = 0.0) -> None:
        """Send parts, each in a packet of its own; raises OSError if nobody is there to get them."""
        for part in parts:
            self.writer.write(part)
            await self.writer.drain()
            if pause:
                await asyncio.sleep(pause)

    async def answer(self, body: bytes, status: str = "200 OK", *headers: str) -> None:
        """Send a whole answer."""
        lines = [f"HTTP/1.1 {status}", "content-type: application/json", f"content-length: {len(body)}", *headers]
        await self.send("\r\n".join([*lines, "", ""]).encode("latin-1") + body)

    async def begin_stream(self, *headers: str) -> None:
        """Send the head of a stream in chunks."""
        lines = ["HTTP/1.1 200 OK", "content-type: text/event-stream", "transfer-encoding: chunked", *headers]
        await self.send("\r\n".join([*lines, "", ""]).encode())

    async def until_gone(self) -> bool:
        """Wait until the other side hangs up, and note it; False, so that the connection is closed."""
        with suppress(OSError):
            while await self.reader.read(1 << 16):
                pass
        self.backend.hung_up += 1
        return False

    def good(self) -> bytes:
        """The body of a good answer to the request."""
        return good_answer(self.asked)

    def events(self) -> list[bytes]:
        """The events of a good stream in answer to the request, without the last."""
        return good_events(self.asked)


Behaviour = Callable[[Exchange], Awaitable[bool]]
"""Answers a request; returns whether the connection can be used again."""

_ids = itertools.count()


def good_answer(asked: Asked) -> bytes:
    """What a request gets that asks for nothing special."""
    body = asked.json
    usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
    if "input" in body:
        data = [{"object": "embedding", "index": 0, "embedding": [0.25, -0.5]}]
        return json.dumps({"object": "list", "model": EMBEDDING_MODEL, "data": data, "usage": usage}).encode()
    choice: dict[str, Any] = {"index": 0, "finish_reason": "stop", "logprobs": None}
    choice |= {"text": TEXT} if "prompt" in body else {"message": {"role": "assistant", "content": TEXT}}
    kind, begin = ("text_completion", "cmpl") if "prompt" in body else ("chat.completion", "chatcmpl")
    head = {"id": f"{begin}-{next(_ids)}", "object": kind, "created": 1764100000, "model": MODEL}
    return json.dumps({**head, "choices": [choice], "usage": usage}).encode()


def good_events(asked: Asked, words: int = 3) -> list[bytes]:
    """What a request for a stream gets that asks for nothing special, but the last event."""
    is_text = "prompt" in asked.json
    kind, begin = ("text_completion", "cmpl") if is_text else ("chat.completion.chunk", "chatcmpl")
    head = {"id": f"{begin}-{next(_ids)}", "object": kind, "created": 1764100000, "model": MODEL}

    def event(text: str, finish_reason: str | None = None) -> bytes:
        said: dict[str, Any] = {"text": text} if is_text else {"delta": {"role": "assistant", "content": text}}
        choice = {"index": 0, **said, "finish_reason": finish_reason}
        return b"data: %s\n\n" % json.dumps({**head, "choices": [choice]}).encode()

    return [*(event(f"word{number} ") for number in range(words)), event("", "stop")]


def chunk(data: bytes) -> bytes:
    """A chunk of HTTP."""
    return b"%x\r\n%s\r\n" % (len(data), data)


END = b"0\r\n\r\n"


async def well(exchange: Exchange) -> bool:
    """Answer as one should."""
    if exchange.asked.is_stream:
        await exchange.begin_stream()
        await exchange.send(*map(chunk, exchange.events()), chunk(DONE) + END)
    else:
        await exchange.answer(exchange.good())
    return True


def says(*parts: bytes, pause: float = 0.0) -> Behaviour:
    """Send these bytes and hang up."""

    async def behave(exchange: Exchange) -> bool:
        await exchange.send(*parts, pause=pause)
        return False

    return behave


def body_is(body: bytes, content_type: str = "application/json") -> Behaviour:
    """Answer 200 with this body."""
    head = f"HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\ncontent-length: {len(body)}\r\n\r\n"

    async def behave(exchange: Exchange) -> bool:
        await exchange.send(head.encode() + body)
        return True

    return behave


def refuses(status: int, body: bytes | None = None, *headers: str) -> Behaviour:
    """Answer with an error."""
    error = {"error": {"message": f"refused with {status}", "type": "whatever", "code": status}}

    async def behave(exchange: Exchange) -> bool:
        text = json.dumps(error).encode() if body is None else body
        await exchange.answer(text, f"{status} No", *(headers or (f"retry-after: {RETRY_AFTER}",)))
        return True

    return behave


def streams(*events: bytes, ends: bytes = END) -> Behaviour:
    """Send the first good events of a stream, then these bytes of one."""

    async def behave(exchange: Exchange) -> bool:
        await exchange.begin_stream()
        await exchange.send(*map(chunk, [*exchange.events()[:2], *events]))
        await exchange.send(ends)
        return ends == END

    return behave


def begins(*events: bytes) -> Behaviour:
    """Begin a stream with these events, and go on well."""

    async def behave(exchange: Exchange) -> bool:
        await exchange.begin_stream()
        await exchange.send(*map(chunk, [*events, *exchange.events(), DONE]), END)
        return True

    return behave


async def hang(exchange: Exchange) -> bool:
    """Say nothing at all."""
    return await exchange.until_gone()


async def hang_in_the_middle(exchange: Exchange) -> bool:
    """Begin well and say no more."""
    if exchange.asked.is_stream:
        await exchange.begin_stream()
        await exchange.send(*map(chunk, exchange.events()[:2]))
    else:
        await exchange.send(b'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 999\r\n\r\n{"id"')
    return await exchange.until_gone()


async def die_in_the_middle(exchange: Exchange) -> bool:
    """Begin well and hang up."""
    if exchange.asked.is_stream:
        await exchange.begin_stream()
        await exchange.send(*map(chunk, exchange.events()[:2]))
    else:
        await exchange.send(b'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 999\r\n\r\n{"id"')
    return False


async def die_with_half_a_chunk(exchange: Exchange) -> bool:
    """Hang up in the middle of a chunk of HTTP."""
    if exchange.asked.is_stream:
        await exchange.begin_stream()
        await exchange.send(chunk(exchange.events()[0]), b"ff\r\ndata: {")
    else:
        await exchange.send(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n")
        await exchange.send(b'ff\r\n{"id"')
    return False


async def end_only_with_the_connection(exchange: Exchange) -> bool:
    """Answer without saying how long it is, and lose the end of it."""
    if exchange.asked.is_stream:
        await exchange.send(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n", *exchange.events()[:2])
    else:
        await exchange.send(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n", exchange.good()[:40])
    return False


async def go_on_for_ever(exchange: Exchange) -> bool:
    """Send as much as is taken; many small events in a stream."""
    if exchange.asked.is_stream:
        await exchange.begin_stream()
        part = b"".join(map(chunk, exchange.events()[:2])) * 50
    else:
        await exchange.send(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n")
        part = chunk(b'{"a": "' + A_PIECE)
    return await _send_for_ever(exchange, part)


def for_ever(head: bytes, part: bytes) -> Behaviour:
    """Send one thing, and then another as often as it is taken."""

    async def behave(exchange: Exchange) -> bool:
        await exchange.send(head)
        return await _send_for_ever(exchange, part)

    return behave


async def _send_for_ever(exchange: Exchange, part: bytes) -> bool:
    exchange.backend.sent = 0
    try:
        while True:
            await exchange.send(part)
            exchange.backend.sent += len(part)
            await asyncio.sleep(0)
    except OSError:
        exchange.backend.hung_up += 1
    return False


async def trickle(exchange: Exchange) -> bool:
    """Answer well, in chunks of one byte, each in a packet of its own if the kernel likes."""
    if exchange.asked.is_stream:
        await exchange.begin_stream()
        body = b"".join([*exchange.events(), DONE])
    else:
        await exchange.send(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n")
        body = exchange.good()
    await exchange.send(*(chunk(body[at : at + 1]) for at in range(len(body))), END)
    return True


async def first_100(exchange: Exchange) -> bool:
    """Say 100 Continue twice, then answer well."""
    await exchange.send(b"HTTP/1.1 100 Continue\r\nx-a: b\r\n\r\n", b"HTTP/1.1 100 Continue\r\n\r\n")
    return await well(exchange)


async def trailers(exchange: Exchange) -> bool:
    """Answer well, with trailers behind the last chunk that would be bad headers."""
    if exchange.asked.is_stream:
        await exchange.begin_stream("trailer: content-type, retry-after")
        parts = [*exchange.events(), DONE]
    else:
        await exchange.send(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n")
        parts = [exchange.good()]
    await exchange.send(*map(chunk, parts), b"0\r\ncontent-type: text/html\r\nretry-after: 1\r\n\r\n")
    return True


async def crlf(exchange: Exchange) -> bool:
    """Answer well; events end with CR and LF."""
    await exchange.begin_stream()
    await exchange.send(*(chunk(event.replace(b"\n", b"\r\n")) for event in [*exchange.events(), DONE]), END)
    return True


async def one_packet(exchange: Exchange) -> bool:
    """Answer well, all at once."""
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    await exchange.send(head + chunk(b"".join([*exchange.events(), DONE])) + END)
    return True


async def two_answers(exchange: Exchange) -> bool:
    """Answer well, and send half of an answer that nobody has asked for."""
    body = exchange.good()
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
    await exchange.send(head % len(body) + body + head % (len(body) + 6) + b"stolen")
    return True


async def slowly(exchange: Exchange) -> bool:
    """Answer well after a second."""
    await asyncio.sleep(1)
    return await well(exchange)


async def in_large_pieces(exchange: Exchange) -> bool:
    """Answer well with a stream of 64 MB."""
    await exchange.begin_stream()
    event = b"data: " + json.dumps({"id": "chatcmpl-large", "created": 1, "model": MODEL, "choices": []}).encode()
    part = chunk(event[:-1] + b', "filler": "' + b"x" * (1 << 16) + b'"}\n\n')
    exchange.backend.sent = 0
    try:
        for _ in range(1 << 10):
            await exchange.send(part)
            exchange.backend.sent += len(part)
        await exchange.send(chunk(DONE) + END)
    except OSError:
        exchange.backend.hung_up += 1
        return False
    return True


async def everything(exchange: Exchange) -> bool:
    """Answer with what OpenAI's servers and vLLM may send, and with what nobody knows."""
    if exchange.asked.is_stream:
        await exchange.begin_stream()
        await exchange.send(*map(chunk, [*EVENTS_OF_EVERYTHING, DONE]), END)
        return True
    return await body_is(EVERYTHING)(exchange)


HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
ANSWERS = Path(__file__).parent / "answers"
EVERYTHING = (ANSWERS / "everything.json").read_bytes()
"""An answer with all there is, and odd blanks, escapes and numbers."""
EVENTS_OF_EVERYTHING = [event + b"\n\n" for event in (ANSWERS / "everything.sse").read_bytes().strip().split(b"\n\n")]
ERROR_EVENT = b'data: {"error": {"message": "out of memory", "type": "server_error", "code": 503}}\n\n'
WITHOUT_CHOICES = b'{"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "scripted"%s}'
DEEP = b"[" * 100_000

BEHAVIOURS: dict[str, Behaviour] = {
    "well": well,
    "everything": everything,
    "slowly": slowly,
    "hang": hang,
    "hang in the middle": hang_in_the_middle,
    "die": says(),
    "die in the head": says(b"HTTP/1.1 200 OK\r\ncontent-"),
    "die in the middle": die_in_the_middle,
    "die with half a chunk": die_with_half_a_chunk,
    "end with the connection": end_only_with_the_connection,
    "html": body_is(b"<!doctype html><title>Sign in</title>", "text/html"),
    "login": refuses(302, b"", "location: https://sso.example/login"),
    "no json": body_is(b"OK"),
    "a list": body_is(b"[]"),
    "nothing": body_is(b""),
    "no choices": body_is(WITHOUT_CHOICES % b""),
    "empty choices": body_is(WITHOUT_CHOICES % b', "choices": []'),
    "deep": body_is(b'{"id": "1", "created": 1, "model": "scripted", "choices": [' + DEEP),
    "no utf8": body_is(b'{"id": "\xff", "created": 1, "model": "scripted", "choices": [1]}'),
    "no http": says(b"\x15\x03\x01\x00\x02\x02\x28 SSH-2.0-OpenSSH_9.2\r\n"),
    "both lengths": says(HEAD + b"content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"),
    "two lengths": says(HEAD + b"content-length: 2\r\ncontent-length: 3\r\n\r\n{}"),
    "for ever": go_on_for_ever,
    "head for ever": for_ever(HEAD, b"x-a: " + b"b" * 1000 + b"\r\n"),
    "header for ever": for_ever(HEAD + b"x-a: ", b"b" * 1000),
    "100 for ever": for_ever(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "trailers for ever": for_ever(HEAD + b"transfer-encoding: chunked\r\n\r\n0\r\n", b"x-a: " + b"b" * 1000 + b"\r\n"),
    "error for ever": for_ever(
        HEAD.replace(b"200 OK", b"400 No") + b"transfer-encoding: chunked\r\n\r\n", chunk(A_PIECE)
    ),
    "trickle": trickle,
    "100 first": first_100,
    "trailers": trailers,
    "two answers": two_answers,
    **{f"status {status}": refuses(status) for status in (400, 401, 404, 422, 429, 500, 503, 529)},
    "empty 503": refuses(503, b""),
    "html 502": refuses(502, b"<html>Bad gateway</html>"),
    "deep 400": refuses(400, DEEP),
    "strange retry-after": refuses(429, None, "retry-after: \xe9t\xe9"),
    "folded retry-after": refuses(429, None, "retry-after: 1\r\n x-forged: yes"),
    "long retry-after": refuses(429, None, f"retry-after: {'1' * 5000}"),
    # Of streams.
    "error first": begins(ERROR_EVENT),
    "error later": streams(ERROR_EVENT, DONE),
    "half an event": streams(b'data: {"id": "chatcmpl-1", "cho'),
    "no json later": streams(b"data: <html>\n\n"),
    "deep later": streams(b'data: {"id": "1", "choices": ' + DEEP + b"\n\n"),
    "no utf8 later": streams(b'data: {"id": "1", "choices": [{"index": 0, "delta": {"content": "\xff"}}]}\n\n', DONE),
    "odd usage": begins(b'data: {"id": "1", "model": "scripted", "choices": [], "usage": "much"}\n\n'),
    "odd chunk": begins(b'data: {"id": 7, "model": 1, "choices": "none"}\n\n'),
    "event for ever": for_ever(
        HEAD.replace(b"application/json", b"text/event-stream")
        + b"transfer-encoding: chunked\r\n\r\n"
        + chunk(b"data: "),
        chunk(A_PIECE),
    ),
    "comments": begins(b": hello\n\n", b": vllm\n: is here\n\n"),
    "comments alone": begins(b": hello\n\n"),
    "crlf": crlf,
    "one packet": one_packet,
    "without done": streams(),
    "large pieces": in_large_pieces,
}


@contextmanager
def serve(port: int = 0) -> Iterator[FaultyBackend]:
    """Serve until the block ends, on a free port if it is 0."""
    backend = FaultyBackend()
    loop = asyncio.new_event_loop()
    idle: set[asyncio.StreamWriter] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        backend.connections += 1
        backend.made += 1
        try:
            is_used_again = True
            while is_used_again:
                idle.add(writer)
                head = await reader.readuntil(b"\r\n\r\n")
                idle.discard(writer)
                is_used_again = await _answer(backend, head, reader, writer)
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            idle.discard(writer)
            backend.connections -= 1
            writer.close()

    def hang_up_idle() -> None:
        async def close() -> None:
            for writer in idle:
                writer.close()

        asyncio.run_coroutine_threadsafe(close(), loop).result(10)

    async def main() -> None:
        async with server:
            with suppress(asyncio.CancelledError):
                await server.serve_forever()
            tasks = asyncio.all_tasks() - {asyncio.current_task()}
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    server = loop.run_until_complete(asyncio.start_server(connected, LOOPBACK, port, limit=1 << 20, backlog=1024))
    backend.url = f"http://{LOOPBACK}:{server.sockets[0].getsockname()[1]}/v1"
    backend.hang_up_idle = hang_up_idle
    running = threading.Thread(target=lambda: loop.run_until_complete(main()))
    running.start()
    try:
        yield backend
    finally:
        loop.call_soon_threadsafe(server.close)
        running.join()
        loop.close()


async def _answer(
    backend: FaultyBackend, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> bool:
    length = re.search(rb"content-length: *(\d+)", head, re.IGNORECASE)
    asked = Asked(head, await reader.readexactly(int(length[1])) if length else b"")
    exchange = Exchange(backend, asked, reader, writer)
    if head.startswith(b"GET"):
        models = [{"id": name, "object": "model", "created": 0, "owned_by": "us"} for name in (MODEL, EMBEDDING_MODEL)]
        await exchange.answer(json.dumps({"object": "list", "data": models}).encode())
        return True
    backend.asked.append(asked)
    order = ORDER.search(asked.body)
    return await BEHAVIOURS[order[1].decode() if order else "well"](exchange)
