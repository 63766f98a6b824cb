"""Start a program, wait until it answers, and stop exactly what was started."""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import requests

LOOPBACK = "127.0.0.1"


class NotInstalled(Exception):
    """A part that a server needs is missing; the message says which, and the command that installs it."""


class StartError(Exception):
    """A program ended, or did not answer in time; the message holds the end of its log."""


@dataclass(frozen=True)
class Program:
    """A program that was started here, and the file that takes its output."""

    command: Sequence[str | Path]
    process: subprocess.Popen[bytes]
    log: Path

    def log_tail(self, lines: int = 40) -> str:
        """The last lines of what the program has written."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def wait_until(self, check: Callable[[], bool], timeout: float, pause: float = 0.1) -> None:
        """Return as soon as ``check`` holds, asked every ``pause`` seconds; an ``OSError`` from it counts as "not yet".

        Raises ``StartError`` if the program ends first, or after ``timeout`` seconds.
        """
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            if (code := self.process.poll()) is not None:
                raise StartError(f"{self.name} ended with code {code}; its log ends:\n{self.log_tail()}")
            with suppress(OSError):
                if check():
                    return
            time.sleep(pause)
        raise StartError(f"{self.name} was not ready after {timeout:g} s; its log ends:\n{self.log_tail()}")

    def stop(self, patience: float, with_signal: signal.Signals) -> None:
        """Ask the program to end, and after ``patience`` seconds make it; children it left behind go too."""
        self.process.send_signal(with_signal)
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(patience)
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    @property
    def name(self) -> str:
        """The program's own name."""
        return Path(self.command[0]).name


@contextmanager
def running(
    command: Sequence[str | Path],
    *,
    log: Path,
    ready: Callable[[], bool],
    timeout: float = 60,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    patience: float = 20,
    stop_signal: signal.Signals = signal.SIGTERM,
) -> Iterator[Program]:
    """Run ``command`` for as long as the block lasts, entering it once ``ready`` holds.

    It may take ``timeout`` seconds to get ready, and ``patience`` to end after ``stop_signal``. ``env`` is
    added to this process's environment. The program leads a process group of its own, so that an interrupt
    at the terminal reaches the tests, and not the servers that they still need to clean up with. It is told to end
    when this process is killed.
    """
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["setpriv", f"--pdeathsig={stop_signal.name}", *command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=cwd,
            env={**os.environ, **(env or {})},
            start_new_session=True,
        )
    program = Program(command, process, log)
    try:
        program.wait_until(ready, timeout)
        yield program
    finally:
        program.stop(patience, stop_signal)


@contextmanager
def scratch(name: str) -> Iterator[Path]:
    """A directory that is gone afterwards; its path is short, since it may hold a Unix socket."""
    with tempfile.TemporaryDirectory(prefix=f"{name}-") as path:
        yield Path(path)


def installed(program: str, install: str) -> Path:
    """The path of ``program``: from this Python's environment, PATH or the system directories.

    Raises ``NotInstalled`` with ``install``, the command that provides it.
    """
    places = [str(Path(sys.executable).parent), os.environ.get("PATH", ""), "/usr/sbin", "/sbin"]
    found = shutil.which(program, path=os.pathsep.join(places))
    if found is None:
        raise NotInstalled(f"the program {program} is not installed; run: {install}")
    return Path(found)


def free_ports(count: int) -> list[int]:
    """So many different TCP ports that nothing listens on, and that nobody else is likely to take before they are used.

    The kernel gives higher ones to connections, and other workers draw too.
    """
    found: list[int] = []
    with ExitStack() as stack:
        while len(found) < count:
            port = secrets.choice(range(10_000, 32_768))
            probe = stack.enter_context(socket.socket())
            with suppress(OSError):
                probe.bind((LOOPBACK, port))
                found.append(port)
    return found


def free_port() -> int:
    """A TCP port that nothing listens on."""
    return free_ports(1)[0]


def hear_interrupts() -> None:
    """For ``preexec_fn``: what a shell starts in the background ignores SIGINT, and so do its children."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def accepts(port: int) -> bool:
    """Whether something accepts connections on a loopback port; raises ``OSError`` if not."""
    with socket.create_connection((LOOPBACK, port), timeout=2):
        return True


def answers(url: str, ca: Path | None = None) -> bool:
    """Whether a GET request succeeds, past any proxy; raises ``OSError`` if nothing answers."""
    with requests.Session() as session:
        session.trust_env = False
        return session.get(url, timeout=5, verify=str(ca) if ca else True).ok
