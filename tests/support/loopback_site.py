"""A small HTTP server on the loopback, for what a mirror or an index would answer."""

from collections.abc import Iterator
from contextlib import contextmanager

from tests.support import http_server
from tests.support.process import LOOPBACK


class Site:
    """What the server serves, and what it was asked for."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.status: dict[str, int] = {}
        self.requests: list[str] = []
        self.address = ""


@contextmanager
def serve() -> Iterator[Site]:
    """Serve `Site.files` by path until the block ends; a path with a `status` answers with that alone."""
    site = Site()

    class Answer(http_server.Handler):
        def do_GET(self) -> None:
            site.requests.append(self.path)
            content = site.files.get(self.path)
            self.send_response(site.status.get(self.path, 200 if content is not None else 404))
            self.send_header("Content-Length", str(len(content or b"")))
            self.end_headers()
            self.wfile.write(content or b"")

    with http_server.serving(Answer) as port:
        site.address = f"http://{LOOPBACK}:{port}"
        yield site
