"""What comes before and after a body: httptools, which is ten times as fast as h11, has no limit of its own for it."""

from collections.abc import Callable
from typing import Any

from distribution.overlay.declaration import change

PROTOCOL = "uvicorn.protocols.http.httptools_impl:HttpToolsProtocol"

LONGEST = 64 << 10
"""How many bytes may come in without completing a head, a part of the body or the request, as with h11."""

NO_LIMIT = (
    "With httptools, uvicorn reads a head of any length into memory, and trailers behind a body in chunks; it adds "
    "them to the headers that the application has, past whatever a proxy has checked."
)


@change(f"{PROTOCOL}.data_received", takes=("self", "data"), why=NO_LIMIT, advisory="requests-without-limits")
def data_received(original: Callable[[Any, bytes], None]) -> Any:
    def data_received(self: Any, data: bytes) -> None:
        self.incomplete = getattr(self, "incomplete", 0) + len(data)
        original(self, data)
        if self.incomplete > LONGEST and not self.transport.is_closing():
            self.send_400_response(f"The head of a request may have {LONGEST} bytes.")

    return data_received


@change(f"{PROTOCOL}.on_header", takes=("self", "name", "value"), why=NO_LIMIT, advisory="requests-without-limits")
def on_header(original: Callable[[Any, bytes, bytes], None]) -> Any:
    def on_header(self: Any, name: bytes, value: bytes) -> None:
        if "path" not in self.scope:  # else it is a trailer
            original(self, name, value)

    return on_header


@change(f"{PROTOCOL}.on_headers_complete", takes=("self",), why=NO_LIMIT, advisory="requests-without-limits")
@change(f"{PROTOCOL}.on_message_complete", takes=("self",), why=NO_LIMIT, advisory="requests-without-limits")
def on_complete(original: Callable[[Any], None]) -> Any:
    def on_complete(self: Any) -> None:
        self.incomplete = 0
        original(self)

    return on_complete


@change(f"{PROTOCOL}.on_body", takes=("self", "body"), why=NO_LIMIT, advisory="requests-without-limits")
def on_body(original: Callable[[Any, bytes], None]) -> Any:
    def on_body(self: Any, body: bytes) -> None:
        self.incomplete = 0
        original(self, body)

    return on_body
