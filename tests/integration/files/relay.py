"""A TCP relay in front of a server: it records, it breaks connections, it adds TLS.

It passes bytes on as they are, so that it also serves as a plain HTTP proxy for a server that takes whole addresses.
"""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from tests.support.process import LOOPBACK


@dataclass
class Relay:
    """Where the relay listens, and what it is to do."""

    port: int
    # How many bytes of answers the next connections pass on before they break; then they all hold.
    breaks: list[int] = field(default_factory=list)
    # Everything that clients have sent.
    requests: bytearray = field(default_factory=bytearray)


@contextmanager
def relay_to(port: int, tls: ssl.SSLContext | None = None) -> Iterator[Relay]:
    """Relay connections to a loopback port until the block ends."""
    with socket.create_server((LOOPBACK, 0)) as listener:
        relay = Relay(listener.getsockname()[1])
        threading.Thread(target=_accept, args=(listener, relay, port, tls), daemon=True).start()
        yield relay
        listener.shutdown(socket.SHUT_RDWR)


def _accept(listener: socket.socket, relay: Relay, port: int, tls: ssl.SSLContext | None) -> None:
    with suppress(OSError):  # The listener is closed at the end.
        while True:
            client, _ = listener.accept()
            threading.Thread(target=_serve, args=(client, relay, port, tls), daemon=True).start()


def _serve(client: socket.socket, relay: Relay, port: int, tls: ssl.SSLContext | None) -> None:
    # A client that does not trust the certificate hangs up.
    with suppress(OSError), client:
        side = tls.wrap_socket(client, server_side=True) if tls else client
        with side, socket.create_connection((LOOPBACK, port)) as server:
            threading.Thread(target=_requests, args=(side, server, relay), daemon=True).start()
            _answers(server, side, relay)


def _requests(client: socket.socket, server: socket.socket, relay: Relay) -> None:
    with suppress(OSError):
        while data := client.recv(1 << 16):
            relay.requests += data
            server.sendall(data)
        server.shutdown(socket.SHUT_WR)


def _answers(server: socket.socket, client: socket.socket, relay: Relay) -> None:
    passed = 0
    while data := server.recv(1 << 16):
        passed += len(data)
        if relay.breaks and passed > relay.breaks[0]:
            relay.breaks.pop(0)
            client.shutdown(socket.SHUT_RDWR)
            return
        client.sendall(data)
