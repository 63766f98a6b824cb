"""Start an image as a server on this machine, with an engine or in a sandbox, behind one interface."""

import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Protocol

from docker.models.containers import Container

from builder import ending, engine, payload, room, sandbox
from builder.engine import Engine
from builder.errors import NoRoomError
from builder.tags import Tag


class Server(Protocol):
    """A server under way."""

    where: str
    """For people: how it runs."""

    def address(self) -> str | None:
        """Its base URL; None once it has ended."""

    def log(self) -> str:
        """Everything it has written so far."""


class SandboxServer:
    """A server that runs in a namespace on a staged tree."""

    where = "a namespace of its own, without an engine"

    def __init__(self, process: subprocess.Popen[bytes], port: int, log: IO[bytes]) -> None:
        self._process = process
        self._port = port
        self._log = log

    def address(self) -> str | None:
        return f"http://127.0.0.1:{self._port}" if self._process.poll() is None else None

    def log(self) -> str:
        return Path(self._log.name).read_text(encoding="utf-8", errors="replace")


class ContainerServer:
    """A server that runs in an engine's container."""

    def __init__(self, container: Container, where: str) -> None:
        self._container = container
        self.where = where

    def address(self) -> str | None:
        port = engine.published_port(self._container)
        return f"http://127.0.0.1:{port}" if port else None

    def log(self) -> str:
        return bytes(self._container.logs()).decode("utf-8", errors="replace")


@contextmanager
def in_sandbox(root: Path, environment: Mapping[str, str]) -> Iterator[Server]:
    """Serve a staged tree with its default run config, on a free port, state in a scratch directory."""
    with tempfile.TemporaryDirectory(prefix="llama-stack-") as scratch:
        if shutil.disk_usage(scratch).free < room.SCRATCH * 10**6:
            raise NoRoomError(f"{scratch}: the server has no room for its state", "make room there, or set TMPDIR")
        data = Path(scratch) / "data"
        data.mkdir()
        port = _free_port()
        program = [*payload.ENTRYPOINT, "--port", str(port)]
        command = sandbox.command(root, program, environment=environment, data=data)
        with (Path(scratch) / "log").open("wb") as log:
            streams = {"stdout": log, "stderr": subprocess.STDOUT, "stdin": subprocess.DEVNULL}
            with ending.program(command, **streams) as process:  # killed at the end: nothing of its state is kept
                yield SandboxServer(process, port, log)


@contextmanager
def in_container(running: Engine, tag: Tag) -> Iterator[Server]:
    """Serve an image the engine has, under the restrictions of a hardened cluster."""
    with running.container(tag, None, **engine.HARDENED) as container:
        yield ContainerServer(container, f"a container of {running.address}, read-only, as uid 1000650000")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
