"""A model server that answers at once: `python -m benchmarks.backend PORT`, on the loopback.

It speaks what vLLM does: chat completions, streams, text completions, embeddings, models, health. Written as a bare
protocol on uvloop, since a server with a framework would take more of the second processor than what is measured does
of the first. Each answer has an id of its own.

What a request asks for is in its text: `in 50 chunks` makes a stream so long, `answer with 503` makes it fail,
`after 200 ms` makes it wait. A chunk's content says when it was sent (`t=`, nanoseconds of the monotonic clock), so
that whoever gets it knows how long it was on its way. `GET /counts` says what was asked and what is open.
"""

import asyncio
import base64
import itertools
import json
import random
import re
import secrets
import struct
import sys
import time
import zlib
from collections import Counter
from collections.abc import Iterator
from typing import cast

import msgspec
import uvloop

from tests.support.process import LOOPBACK

CHAT_MODEL, EMBEDDING_MODEL = "chat", "embedding"
DIMENSION = 384
GAP = 0.001
"""Seconds between two chunks of a stream."""
USUAL_CHUNKS = 5

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_CHUNKS = re.compile(rb"in (\d+) chunks")
_FAILURE = re.compile(rb"answer with (\d{3})")
_WAIT = re.compile(rb"after (\d+) ms")
_EMPTY = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
_STREAM = (
    b"HTTP/1.1 200 OK\r\nserver: uvicorn\r\ncontent-type: text/event-stream; charset=utf-8\r\n"
    b"transfer-encoding: chunked\r\n\r\n"
)
_VECTORS = 256
"""So many different vectors there are; equal texts have equal ones."""


class _StreamOptions(msgspec.Struct):
    include_usage: bool = False


class _Asked(msgspec.Struct):
    """What matters of a body."""

    stream: bool = False
    stream_options: _StreamOptions | None = None
    input: str | list[str | int | list[int]] = ""
    encoding_format: str = "float"


_decode = msgspec.json.Decoder(_Asked).decode


class Backend:
    """What all connections share: prepared answers and counts."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        """Answers by what was asked, and `connections` and `streams` that are open now."""
        self._prefix = secrets.token_hex(8)
        self._numbers = itertools.count()
        self._started = int(time.time())
        self._floats, self._base64 = _vectors()

    def counted(self) -> bytes:
        """The counts, as an answer."""
        return _answer(json.dumps(self.counts).encode())

    def models(self, target: bytes) -> bytes:
        """The model of an address: below /embedding/ it is the one that makes vectors."""
        name = EMBEDDING_MODEL if target.startswith(b"/embedding/") else CHAT_MODEL
        model = {"id": name, "object": "model", "created": self._started, "owned_by": "vllm", "root": name}
        return _answer(json.dumps({"object": "list", "data": [model]}).encode())

    def chat_completion(self) -> bytes:
        """A whole answer."""
        return _answer(_CHAT_COMPLETION % (self._id(), self._started))

    def completion(self) -> bytes:
        """The answer to a prompt."""
        return _answer(_COMPLETION % (self._id(), self._started))

    def embeddings(self, asked: _Asked) -> bytes:
        """A vector for each text."""
        texts = asked.input if isinstance(asked.input, list) and not _is_tokens(asked.input) else [asked.input]
        prepared = self._base64 if asked.encoding_format == "base64" else self._floats
        data = b",".join(
            b'{"index":%d,"object":"embedding","embedding":%s}' % (index, prepared[_vector_of(text)])
            for index, text in enumerate(texts)
        )
        return _answer(_EMBEDDINGS % (self._id(), self._started, data, 8 * len(texts), 8 * len(texts)))

    def stream(self, count: int, *, with_usage: bool) -> Iterator[bytes]:
        """The events of a stream, each made when it is sent."""
        name, created = self._id(), self._started
        yield _CHUNK % (name, created, b'{"role":"assistant","content":"t=%d "}' % time.monotonic_ns(), b"null")
        for _ in range(count - 1):
            yield _CHUNK % (name, created, b'{"content":"t=%d "}' % time.monotonic_ns(), b"null")
        yield _CHUNK % (name, created, b'{"content":""}', b'"stop"')
        if with_usage:
            yield _USAGE_CHUNK % (name, created, count, count + 16)
        yield b"[DONE]"

    def _id(self) -> bytes:
        return f"{self._prefix}{next(self._numbers):016x}".encode()


class Connection(asyncio.Protocol):
    """One client; requests come one after the other."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._received = b""
        self._later: asyncio.TimerHandle | None = None
        self._streaming = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client is here."""
        self._transport = cast(asyncio.Transport, transport)
        self._backend.counts["connections"] += 1

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone; so is what it waited for."""
        self._backend.counts["connections"] -= 1
        if self._later:
            self._later.cancel()
        if self._streaming:
            self._backend.counts.update(streams=-1, abandoned=1)

    def data_received(self, data: bytes) -> None:
        """Answer once a request is whole."""
        self._received += data
        end = self._received.find(b"\r\n\r\n")
        if end < 0:
            return
        found = _LENGTH.search(self._received, 0, end + 2)
        whole = end + 4 + (int(found[1]) if found else 0)
        if len(self._received) < whole:
            return
        target = self._received[: self._received.index(b"\r\n")].split(b" ")[1]
        body = self._received[end + 4 : whole]
        self._received = self._received[whole:]
        if waiting := _WAIT.search(body):
            loop = asyncio.get_running_loop()
            self._later = loop.call_later(int(waiting[1]) / 1000, self._respond, target, body)
        else:
            self._respond(target, body)

    def _respond(self, target: bytes, body: bytes) -> None:
        backend, counts, write = self._backend, self._backend.counts, self._transport.write
        if failing := _FAILURE.search(body):
            counts["failed"] += 1
            write(_failure(int(failing[1])))
        elif target.endswith(b"/chat/completions"):
            counts["chat"] += 1
            asked = _decode(body)
            if asked.stream:
                self._begin_stream(body, with_usage=bool(asked.stream_options and asked.stream_options.include_usage))
            else:
                write(backend.chat_completion())
        elif target.endswith(b"/embeddings"):
            counts["embeddings"] += 1
            write(backend.embeddings(_decode(body)))
        elif target.endswith(b"/completions"):
            counts["completions"] += 1
            write(backend.completion())
        elif target.endswith(b"/models"):
            write(backend.models(target))
        elif target == b"/counts":
            write(backend.counted())
        else:  # /health, and what telemetry sends
            write(_EMPTY)

    def _begin_stream(self, body: bytes, *, with_usage: bool) -> None:
        found = _CHUNKS.search(body)
        events = self._backend.stream(int(found[1]) if found else USUAL_CHUNKS, with_usage=with_usage)
        self._backend.counts["streams"] += 1
        self._streaming = True
        self._transport.write(_STREAM)
        self._go_on(events)

    def _go_on(self, events: Iterator[bytes]) -> None:
        event = b"data: %s\n\n" % next(events)
        piece = b"%x\r\n%s\r\n" % (len(event), event)
        if event == b"data: [DONE]\n\n":
            self._backend.counts["streams"] -= 1
            self._streaming = False
            self._transport.write(piece + b"0\r\n\r\n")
        else:
            self._transport.write(piece)
            self._later = asyncio.get_running_loop().call_later(GAP, self._go_on, events)


def _answer(body: bytes) -> bytes:
    head = b"HTTP/1.1 200 OK\r\nserver: uvicorn\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
    return head % len(body) + body


def _failure(status: int) -> bytes:
    error = {"message": "as the request wishes", "type": "InternalServerError", "param": None, "code": status}
    body = json.dumps({"error": error}).encode()
    head = b"HTTP/1.1 %d Failure\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
    return head % (status, len(body)) + body


def _is_tokens(texts: list[str | int | list[int]]) -> bool:
    return isinstance(texts[0], int)


def _vector_of(text: object) -> int:
    return zlib.crc32(str(text).encode()) % _VECTORS


def _vectors() -> tuple[list[bytes], list[bytes]]:
    """JSON of the vectors, as numbers and as base64."""
    numbers = random.Random(0)  # noqa: S311 (the same in every run)
    vectors = [[round(numbers.gauss(0, 0.05), 8) for _ in range(DIMENSION)] for _ in range(_VECTORS)]
    packed = [base64.b64encode(struct.pack(f"<{DIMENSION}f", *vector)) for vector in vectors]
    return [json.dumps(vector).encode() for vector in vectors], [b'"%s"' % text for text in packed]


_CHAT_COMPLETION = (
    b'{"id":"chatcmpl-%s","object":"chat.completion","created":%d,"model":"chat","choices":[{"index":0,"message":'
    b'{"role":"assistant","content":"The capital of France is Paris. It lies on the Seine, in the north of the '
    b'country, and has been its seat of government for most of a thousand years.","refusal":null,"annotations":null,'
    b'"audio":null,"function_call":null,"tool_calls":[],"reasoning_content":null},"logprobs":null,'
    b'"finish_reason":"stop","stop_reason":null,"token_ids":null}],"service_tier":null,"system_fingerprint":null,'
    b'"usage":{"prompt_tokens":16,"total_tokens":48,"completion_tokens":32,"prompt_tokens_details":null},'
    b'"prompt_logprobs":null,"prompt_token_ids":null,"kv_transfer_params":null}'
)
_COMPLETION = (
    b'{"id":"cmpl-%s","object":"text_completion","created":%d,"model":"chat","choices":[{"index":0,"text":" Paris. It '
    b'lies on the Seine.","logprobs":null,"finish_reason":"stop","stop_reason":null,"prompt_logprobs":null}],'
    b'"service_tier":null,"system_fingerprint":null,"usage":{"prompt_tokens":6,"total_tokens":14,"completion_tokens":8,'
    b'"prompt_tokens_details":null},"kv_transfer_params":null}'
)
_EMBEDDINGS = (
    b'{"id":"embd-%s","object":"list","created":%d,"model":"embedding","data":[%s],"usage":{"prompt_tokens":%d,'
    b'"total_tokens":%d,"completion_tokens":0,"prompt_tokens_details":null}}'
)
_CHUNK = (
    b'{"id":"chatcmpl-%s","object":"chat.completion.chunk","created":%d,"model":"chat","choices":[{"index":0,"delta":%s,'
    b'"logprobs":null,"finish_reason":%s,"token_ids":null}]}'
)
_USAGE_CHUNK = (
    b'{"id":"chatcmpl-%s","object":"chat.completion.chunk","created":%d,"model":"chat","choices":[],'
    b'"usage":{"prompt_tokens":16,"completion_tokens":%d,"total_tokens":%d}}'
)


async def _serve(port: int) -> None:
    backend = Backend()
    server = await asyncio.get_running_loop().create_server(lambda: Connection(backend), LOOPBACK, port, backlog=1024)
    await server.serve_forever()


def main() -> None:
    """Serve until a signal."""
    uvloop.run(_serve(int(sys.argv[1])))


if __name__ == "__main__":
    main()
