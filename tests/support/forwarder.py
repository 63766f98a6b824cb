"""A TCP port that leads to a server, or for a while to nothing."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from tests.support.process import LOOPBACK

BLOCK = 65536  # bytes


class Forwarder:
    """Passes connections on and counts them, and the bytes that clients send."""

    def __init__(self, port: int, target: int) -> None:
        self.connections = 0
        self.received = 0
        self.hang_up_at: list[int] = []
        """At so many received bytes, lowest first, it closes all connections once."""
        self.close_when_hung_up = False
        self._target = target
        self._open: list[socket.socket] = []
        self._listener = socket.create_server((LOOPBACK, port))
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def port(self) -> int:
        """Where to connect to."""
        port: int = self._listener.getsockname()[1]
        return port

    def hang_up(self) -> None:
        """Close all connections on both sides."""
        while self._open:
            with suppress(OSError):
                self._open.pop().shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the port and all connections."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.hang_up()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self.connections += 1
                server = socket.create_connection((LOOPBACK, self._target))
                self._open += [client, server]
                for copied in ((client, server, self._count), (server, client, lambda size: None)):
                    threading.Thread(target=_copy, args=copied, daemon=True).start()

    def _count(self, size: int) -> None:
        self.received += size
        if self.hang_up_at and self.received >= self.hang_up_at[0]:
            del self.hang_up_at[0]
            if self.close_when_hung_up:
                self.close()
            self.hang_up()


def _copy(source: socket.socket, sink: socket.socket, passed: Callable[[int], None]) -> None:
    with suppress(OSError):
        while block := source.recv(BLOCK):
            sink.sendall(block)
            passed(len(block))
    with suppress(OSError):
        sink.shutdown(socket.SHUT_RDWR)
    source.close()


@contextmanager
def forward(target: int, port: int = 0) -> Iterator[Forwarder]:
    """Forward a port, a free one unless it is named, to another until the block ends."""
    forwarder = Forwarder(port, target)
    try:
        yield forwarder
    finally:
        forwarder.close()
