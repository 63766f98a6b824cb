"""Headers: what those of a request may be, and what those of an answer tell a browser."""

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from distribution.overlay.declaration import change
from distribution.upstream.application import APPLICATION_FACTORY

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

READ_AS_UTF8 = (b"authorization", b"traceparent", b"tracestate", b"x-llamastack-client-version")
"""What upstream decodes where nothing catches the error."""
PAGES = ("/docs", "/redoc")


@change(
    "llama_stack.core.server.server:create_app",
    takes=(),
    why="A header that is no UTF-8 is an unhandled error with a traceback. Answers do not keep browsers from guessing "
    "what they are, or from showing them in a frame, and a redirect names whatever host the request has named.",
    advisory="careless-headers",
)
def create_app(original: Any) -> Any:
    def create_app() -> Any:
        app = original()
        app.add_middleware(CarefulHeaders)
        return app

    return create_app


@change(
    "uvicorn.config:Config.load",
    takes=("self",),
    why="Every answer says which server it comes from.",
    advisory="careless-headers",
)
def load(original: Any) -> Any:
    def load(self: Any) -> None:
        if self.app == APPLICATION_FACTORY:
            self.server_header = False
        original(self)

    return load


class CarefulHeaders:
    """ASGI middleware: refuses headers that cannot be read, adds those that make browsers careful."""

    def __init__(self, app: "ASGIApp") -> None:
        self._app = app

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        added = [(b"x-content-type-options", b"nosniff")]
        if scope["path"] not in PAGES:  # they load their scripts from elsewhere
            added.append((b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'; sandbox"))

        async def send_carefully(message: "Message") -> None:
            if message["type"] == "http.response.start":
                headers = [_relative(name, value) for name, value in message.get("headers", [])]
                message = {**message, "headers": [*headers, *added]}
            await send(message)

        if unreadable := [name for name, value in scope["headers"] if name in READ_AS_UTF8 and not _is_utf8(value)]:
            await _refuse(unreadable[0].decode(), scope, receive, send_carefully)
        else:
            await self._app(scope, receive, send_carefully)


def _is_utf8(value: bytes) -> bool:
    if value.isascii():
        return True
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True


def _relative(name: bytes, value: bytes) -> tuple[bytes, bytes]:
    """Return a header of an answer; a redirect without the host, which the request has named."""
    if name.lower() != b"location":
        return name, value
    parts = urlsplit(value)
    path = b"/" + parts.path.lstrip(b"/")
    return name, path + (b"?" + parts.query if parts.query else b"")


async def _refuse(name: str, scope: "Scope", receive: "Receive", send: "Send") -> None:
    from starlette.responses import JSONResponse

    from providers.error_body import error_body

    await JSONResponse(error_body(400, f"The header {name} is not UTF-8."), status_code=400)(scope, receive, send)
