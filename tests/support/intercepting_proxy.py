"""A proxy as companies have them: it opens every TLS connection and closes it again with a certificate of its own."""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

import requests
import trustme

from tests.support import http_server
from tests.support.process import LOOPBACK, scratch

CHUNK = 1 << 16


@dataclass(frozen=True)
class InterceptingProxy:
    """Its address, the CA that clients have to trust, and the hosts whose TLS it has opened."""

    address: str
    authority: Path
    opened: set[str]


@contextmanager
def serve() -> Iterator[InterceptingProxy]:
    """Forward to the hosts that clients ask for until the block ends."""
    authority = trustme.CA()
    opened: set[str] = set()
    with scratch("proxy") as directory, http_server.serving(_handler(opened, authority)) as port:
        certificate = directory / "ca.pem"
        authority.cert_pem.write_to_path(str(certificate))
        yield InterceptingProxy(f"http://{LOOPBACK}:{port}", certificate, opened)


def _handler(opened: set[str], authority: trustme.CA) -> type[http_server.Handler]:
    @cache
    def context_for(host: str) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(host).configure_cert(context)
        return context

    class Forward(http_server.Handler):
        protocol_version = "HTTP/1.1"

        def do_CONNECT(self) -> None:
            host, _, port = self.path.rpartition(":")
            with socket.create_connection((host, int(port)), timeout=30) as plain:
                self.send_response(200)
                self.end_headers()
                beyond = ssl.create_default_context().wrap_socket(plain, server_hostname=host)
                # A client that does not trust the certificate hangs up.
                with (
                    beyond,
                    suppress(OSError),
                    context_for(host).wrap_socket(self.connection, server_side=True) as here,
                ):
                    opened.add(host)
                    back = threading.Thread(target=_pass_on, args=(beyond, here))
                    back.start()
                    _pass_on(here, beyond)
                    back.join()
            self.close_connection = True

        def do_GET(self) -> None:
            if not urlsplit(self.path).netloc:
                self.send_error(400)
                return
            with requests.get(self.path, timeout=60, allow_redirects=False) as answer:
                self.send_response(answer.status_code)
                for name in ("Content-Type", "Location"):
                    if name in answer.headers:
                        self.send_header(name, answer.headers[name])
                self.send_header("Content-Length", str(len(answer.content)))
                self.end_headers()
                self.wfile.write(answer.content)

    return Forward


def _pass_on(source: ssl.SSLSocket, target: ssl.SSLSocket) -> None:
    with suppress(OSError):
        while data := source.recv(CHUNK):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_RDWR)
