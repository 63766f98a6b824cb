"""HTTP servers of the tests' own, for what no real server would say on request."""

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.support.process import LOOPBACK


class Handler(BaseHTTPRequestHandler):
    """One that keeps quiet; its methods `do_GET` and the like answer."""

    def log_message(self, format: str, *arguments: object) -> None:
        """Nothing."""


@contextmanager
def serving(handler: type[Handler], port: int = 0, *, tls: ssl.SSLContext | None = None) -> Iterator[int]:
    """Answer on ``port`` of the loopback, a free one if it is 0, until the block ends; yields the port."""
    with ThreadingHTTPServer((LOOPBACK, port), handler) as server:
        if tls:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))  # seconds until it sees that it is to end
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()
