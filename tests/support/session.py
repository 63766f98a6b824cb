"""Programs that lead a session of their own, and what of the session is left when they have ended."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from tests.support.process import hear_interrupts

PATIENCE = 180
"""Seconds that a moment may be waited for."""


def start(
    words: Sequence[str | Path], folder: Path, environment: Mapping[str, str] | None = None
) -> subprocess.Popen[str]:
    """Start a program in `folder`; its standard error can be read."""
    return subprocess.Popen(
        [str(word) for word in words],
        cwd=folder,
        env={**os.environ, **(environment or {})},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=hear_interrupts,
    )


def kill(leader: subprocess.Popen[str]) -> None:
    """End the program and whatever is left of its session."""
    leader.kill()
    for process in _followers(leader):
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
    leader.communicate()


def commands(leader: subprocess.Popen[str]) -> list[str]:
    """The command line of each process of the session but its leader, dead ones left out."""
    return list(_followers(leader).values())


def _followers(leader: subprocess.Popen[str]) -> dict[int, str]:
    """Process id -> command line."""
    found = {}
    for place in Path("/proc").glob("[0-9]*"):
        try:
            state, _, _, session = (place / "stat").read_text().rpartition(")")[2].split()[:4]
            words = (place / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue  # it has ended meanwhile
        if int(session) == leader.pid != int(place.name) and state not in "ZX":
            found[int(place.name)] = words
    return found


def wait_for(leader: subprocess.Popen[str], moment: Callable[[], object]) -> None:
    """Return as soon as `moment` holds; fails if the program ends first."""
    deadline = time.monotonic() + PATIENCE
    while not moment():
        assert leader.poll() is None, leader.stderr and leader.stderr.read()
        assert time.monotonic() < deadline, commands(leader)
        time.sleep(0.005)


def left(leader: subprocess.Popen[str]) -> list[str]:
    """The command lines of what does not end after the leader; a killed process takes a moment to be gone."""
    deadline = time.monotonic() + 30
    while (found := commands(leader)) and time.monotonic() < deadline:
        time.sleep(0.01)
    return found
