"""What a request may bring: the size of its body, how deep its JSON goes, and text that can be stored and logged."""

import re
from itertools import accumulate
from math import isfinite
from typing import TYPE_CHECKING, Any

from distribution.overlay.declaration import change
from distribution.upstream.settings import MAX_REQUEST_BYTES

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

SERVER = "llama_stack.core.server.server"

MAX_DEPTH = 100
"""How deep arrays and objects of a body may lie in one another."""
MAX_CONTAINERS = 20_000
"""How many arrays and objects a body may have: one that is wrong may be wrong in thirty ways, each of a kilobyte."""

SQL_DATA_EXCEPTION = "22"
"""The class of SQLSTATEs for data that do not fit."""

FORMS = (b"multipart/form-data", b"application/x-www-form-urlencoded")
_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
# What may be a number that Python reads as infinite, or as none; it may stand in a text too.
_SUSPECT = re.compile(rb"NaN|Infinity|[eE]\+?\d{3}|\d{300}")
_NUMBER = re.compile(rb"NaN|Infinity|\d[\d.]*+(?:[eE]\+?\d++)?")
_NO_BRACKETS = bytes(byte for byte in range(256) if byte not in b"[]{}")
_STEPS = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}
# The first that matches is one escape of a string: a pair of surrogates, half of one, or any other.
_ESCAPE = re.compile(rb"\\(?:u[dD][89abAB]..\\u[dD][c-fC-F]..|(?P<half>u[dD][89a-fA-F])|.)", re.DOTALL)


@change(
    f"{SERVER}:create_app",
    takes=(),
    why="A body of any size is read into memory, before anything is known of it. JSON that is nested deeper than "
    "Python recurses, or that holds half of a surrogate pair, is a 500 with a traceback.",
    reference="llamastack/llama-stack#4956",
    fixed_in="0.6.0 in part",
    advisory="requests-without-limits",
)
def create_app(original: Any) -> Any:
    def create_app() -> Any:
        from starlette.middleware import Middleware

        app = original()
        # The innermost of all: who is not let in has nothing read.
        app.user_middleware.append(Middleware(RequestLimits, max_bytes=MAX_REQUEST_BYTES.of(), uploads=_uploads(app)))
        return app

    return create_app


@change(
    f"{SERVER}:translate_exception",
    takes=("exc",),
    why="A number beyond 64 bits, and text with a NUL in it where PostgreSQL is to store it, are a 500.",
)
def translate_exception(original: Any) -> Any:
    from starlette.exceptions import HTTPException

    def translate_exception(exc: Exception) -> Any:
        if reason := _not_storable(exc):
            return HTTPException(400, f"Invalid value: {reason}")
        return original(exc)

    return translate_exception


def _not_storable(error: BaseException) -> str:
    """Say why a value of a request cannot be stored, or nothing where the error is about something else."""
    causes = [error, getattr(error, "orig", None), error.__cause__]  # SQLAlchemy keeps a driver's error in `orig`
    for one in causes:
        if isinstance(one, OverflowError):
            return f"a number is too large ({one})"
        if isinstance(one, RecursionError):
            return "it is nested too deep"
        state = getattr(one, "sqlstate", None) or getattr(one, "pgcode", None)
        if isinstance(state, str) and state.startswith(SQL_DATA_EXCEPTION):
            return str(one).partition("\n")[0]
    return ""


def _uploads(app: Any) -> frozenset[str]:
    """The paths that take files, whose size the provider limits while they come in."""
    from llama_stack.apis.datatypes import Api

    from providers.api_routes import routes_of
    from providers.files.provider import FilesProvider

    if not isinstance(app.stack.impls.get(Api.files), FilesProvider):
        return frozenset()
    return frozenset(route.path for route in routes_of(app, "openai_upload_file"))


class RequestLimits:
    """ASGI middleware: reads a body when the application asks for it, as far as it may be read, and looks at it.

    The application gets the body in one piece, or an HTTPException of status 413 or 400.
    """

    def __init__(self, app: "ASGIApp", max_bytes: int, uploads: frozenset[str] = frozenset()) -> None:
        from providers.files.early_answer import EarlyAnswer

        self._app = app
        self._refusing_early = EarlyAnswer(self._looking)
        self._max_bytes = max_bytes
        self._uploads = uploads

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Serve one request."""
        if scope["type"] != "http" or scope["path"] in self._uploads:
            await self._app(scope, receive, send)
            return
        length, comes_in_chunks = _length(scope)
        if comes_in_chunks or length > self._max_bytes:
            await self._refusing_early(scope, receive, send)
        elif length:
            await self._looking(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _looking(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        given = False

        async def receive_whole() -> "Message":
            nonlocal given
            if given:
                return await receive()
            given = True
            if _length(scope)[0] > self._max_bytes:
                raise self._too_large()
            body = await self._read(receive)
            if body is None:
                return {"type": "http.disconnect"}
            if not _is_form(scope):
                _require_sound(body)
            return {"type": "http.request", "body": body, "more_body": False}

        await self._app(scope, receive_whole, send)

    async def _read(self, receive: "Receive") -> bytes | None:
        """Return the body, or None where the client has gone."""
        parts: list[bytes] = []
        size = 0
        while True:
            message = await receive()
            if message["type"] != "http.request":
                return None
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if size > self._max_bytes:
                raise self._too_large()
            if not message.get("more_body", False):
                return b"".join(parts)

    def _too_large(self) -> Exception:
        return _refusal(
            413,
            f"The body is larger than {self._max_bytes} bytes. {MAX_REQUEST_BYTES.variable} sets how large it may be; "
            "what is larger can be uploaded as a file.",
        )


def problem_of(body: bytes) -> str:
    """Say what is wrong with a body of JSON that would parse, or nothing."""
    if b"\0" in body:
        return "The body has to be UTF-8, without NUL bytes."
    try:
        body.decode()
    except UnicodeDecodeError as error:
        return f"The body has to be UTF-8: byte {error.start} is none of it."
    containers = _containers(body)  # those in texts too, as long as they are few
    if containers > MAX_CONTAINERS and (containers := _containers(_STRING.sub(b"", body))) > MAX_CONTAINERS:
        return f"The body has {containers} arrays and objects; {MAX_CONTAINERS} are allowed."
    if containers > MAX_DEPTH and _depth(body) > MAX_DEPTH:
        return f"The body is nested deeper than {MAX_DEPTH} arrays and objects."
    if (b"\\ud" in body or b"\\uD" in body) and any(match["half"] for match in _ESCAPE.finditer(body)):
        return "A text in the body has half of a surrogate pair (\\ud800 to \\udfff), which is no character."
    if _SUSPECT.search(body) and not all(isfinite(float(number)) for number in _NUMBER.findall(_STRING.sub(b"", body))):
        return "A number in the body is infinite or none: NaN, Infinity, or beyond what 64 bits hold."
    return ""


def _containers(body: bytes) -> int:
    return body.count(b"[") + body.count(b"{")


def _depth(body: bytes) -> int:
    brackets = _STRING.sub(b"", body).translate(None, _NO_BRACKETS)
    return max(accumulate(map(_STEPS.__getitem__, brackets)), default=0)


def _require_sound(body: bytes) -> None:
    if problem := problem_of(body):
        raise _refusal(400, problem)


def _refusal(status: int, detail: str) -> Exception:
    from starlette.exceptions import HTTPException

    return HTTPException(status, detail)


def _length(scope: "Scope") -> tuple[int, bool]:
    """Return the length that the headers give, and whether the body comes without one."""
    length, comes_in_chunks = 0, False
    for name, value in scope["headers"]:
        if name == b"content-length":
            length = int(value) if value.isdigit() else 0
        elif name == b"transfer-encoding":
            comes_in_chunks = True
    return length, comes_in_chunks


def _is_form(scope: "Scope") -> bool:
    types = [value.partition(b";")[0].strip().lower() for name, value in scope["headers"] if name == b"content-type"]
    return bool(types) and all(one in FORMS for one in types)  # of two, the application may take either
