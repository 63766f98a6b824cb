"""One line for each request, and its id: ASGI middleware around all others.

A line costs a few microseconds: it is put together here and written at once, past `logging`.
"""

import re
import time
from functools import lru_cache
from random import Random
from typing import TYPE_CHECKING, Any

from distribution.logs import harmless
from distribution.logs.lines import encode_json, timestamp
from distribution.logs.output import Output
from distribution.verification.masking import MASK, of_request, without_known_secrets
from providers.request_facts import RequestFacts, current

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADER = b"x-request-id"
_GIVEN_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}")
_random = Random()  # noqa: S311 (ids tell requests apart, and open nothing)

PROBES = frozenset({"/v1/health", "/v1/version"})
"""What is asked every few seconds, and decides whether the server lives on: never made to wait for room, and only its
refusal is worth a line."""
FIRST_OF_MISTAKES = 400
CLIENT_LEFT = 499
"""nginx's status for a client that had gone before the answer came; nobody is sent it."""
FAILED = 500
KEPT_WORDS = 2048
"""How many paths, models and names are kept as they are written, since most come again."""
MOST_READ = 1000
"""How many characters of them are looked at: more than are written, so that no half of a secret is."""


def request_id_of(given: bytes) -> str:
    """Return the id that a request brings, or one of 24 hexadecimal digits in place of one that cannot be used."""
    return given.decode() if _GIVEN_ID.fullmatch(given) else f"{_random.getrandbits(96):024x}"


class AccessLog:
    """ASGI middleware: gives each request its facts, its answer `x-request-id`, and the output, if any, a line."""

    def __init__(
        self, app: "ASGIApp", output: Output | None, *, as_json: bool = False, with_probes: bool = False
    ) -> None:
        self._app = app
        self._output = output
        self._line = json_line if as_json else plain_line
        self._silent = frozenset() if with_probes else PROBES

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = time.perf_counter()
        given = b""
        for name, value in scope["headers"]:
            if name == HEADER:
                given = value
                break
        facts = RequestFacts(request_id_of(given))
        current.set(facts)  # the server serves each request in a task, and so in a context, of its own
        header = (HEADER, facts.request_id.encode())
        status = 0

        def send_with_id(message: "Message") -> Any:
            nonlocal status
            if message["type"] == "http.response.start":
                status = CLIENT_LEFT if has_left(send) else message["status"]
                message["headers"] = [*message.get("headers", ()), header]
            return send(message)

        try:
            await self._app(scope, receive, send_with_id)
        finally:
            left = has_left(send)
            status = status or (CLIENT_LEFT if left else FAILED)
            if self._output and facts.has_line and (status >= FIRST_OF_MISTAKES or scope["path"] not in self._silent):
                self._output.write(self._line(scope, facts, status, time.perf_counter() - begun, left))


def has_left(send: "Send") -> bool:
    """Tell whether the client is gone. An application is told so when it receives, which most never do.

    uvicorn's `send` belongs to the object that knows; that of another server says nothing.
    """
    return getattr(getattr(send, "__self__", None), "disconnected", False)


def plain_line(scope: "Scope", facts: RequestFacts, status: int, seconds: float, left: bool) -> bytes:
    """Return `TIME INFO access: METHOD PATH STATUS MILLISECONDS ms` and what else is known as `name=value`."""
    line = (
        f"{timestamp(time.time())} INFO access: {scope['method']} {_quoted(_path(scope))} {status} "
        f"{seconds * 1000:.1f} ms client={_client(scope)} id={facts.request_id}"
    )
    if facts.model:
        line += f" model={_quoted(facts.model)}"
    if facts.input_tokens is not None:
        line += f" in={facts.input_tokens}"
    if facts.output_tokens is not None:
        line += f" out={facts.output_tokens}"
    if user := scope.get("principal"):
        line += f" user={_quoted(user)}"
    if left and status != CLIENT_LEFT:
        line += " client-left"
    return f"{line}\n".encode()


def json_line(scope: "Scope", facts: RequestFacts, status: int, seconds: float, left: bool) -> bytes:
    """Return the same as an object, its fields those of the other entries and more."""
    method, path = scope["method"], _word(_path(scope))
    entry: dict[str, Any] = {
        "time": timestamp(time.time()),
        "level": "INFO",
        "category": "access",
        "logger": "access",
        "message": f"{method} {path} {status}",
        "request_id": facts.request_id,
        "client": _client(scope),
        "method": method,
        "route": path,
        "status": status,
        "ms": round(seconds * 1000, 1),
    }
    if facts.model:
        entry["model"] = _word(facts.model)
    if facts.input_tokens is not None:
        entry["input_tokens"] = facts.input_tokens
    if facts.output_tokens is not None:
        entry["output_tokens"] = facts.output_tokens
    if user := scope.get("principal"):
        entry["user"] = _word(user)
    if left and status != CLIENT_LEFT:
        entry["client_left"] = True
    return encode_json(entry) + b"\n"


def _path(scope: "Scope") -> str:
    """The path as it was sent, without the query, which may hold anything."""
    raw = scope.get("raw_path")
    path: str = raw.decode("latin-1") if raw else scope["path"]
    return path


def _client(scope: "Scope") -> str:
    client = scope.get("client")
    return _quoted(client[0]) if client else "-"


def _word(text: str) -> str:
    return _without_the_requests_own(_kept_word(text[:MOST_READ]))


def _quoted(text: str) -> str:
    return _without_the_requests_own(_kept_quoted(text[:MOST_READ]))


def _without_the_requests_own(text: str) -> str:
    for secret in of_request.get():
        text = text.replace(secret, MASK)
    return text


@lru_cache(KEPT_WORDS)
def _kept_word(text: str) -> str:
    return harmless.word(without_known_secrets(text))


@lru_cache(KEPT_WORDS)
def _kept_quoted(text: str) -> str:
    return harmless.quoted(without_known_secrets(text))
