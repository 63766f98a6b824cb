"""A Redis server that keeps everything in memory."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.process import LOOPBACK, accepts, free_port, installed, running, scratch


@dataclass(frozen=True)
class Redis:
    """Where the server listens."""

    host: str
    port: int

    @property
    def url(self) -> str:
        """The address of its first database."""
        return f"redis://{self.host}:{self.port}/0"


@contextmanager
def serve() -> Iterator[Redis]:
    """Serve Redis until the block ends."""
    server = installed("redis-server", "apt-get install redis-server")
    port = free_port()
    with scratch("redis") as directory:
        command: list[str | Path] = [
            server,
            *("--bind", LOOPBACK),
            *("--port", str(port)),
            *("--dir", str(directory)),
            *("--save", ""),
        ]
        with running(command, log=directory / "log", ready=lambda: accepts(port)):
            yield Redis(LOOPBACK, port)
