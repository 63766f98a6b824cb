"""What a server's process holds: what it has after requests as before has not leaked."""

import os
import re
import signal
from dataclasses import astuple, dataclass
from pathlib import Path

from tests.support.process import Program
from tests.support.stack_server import ROOT

PATIENCE = 10.0  # seconds


@dataclass(frozen=True)
class Resources:
    """How much there is of what can leak."""

    sockets: int
    files: int
    threads: int
    tasks: int

    def is_within(self, other: "Resources") -> bool:
        """Whether there is no more of anything."""
        return all(mine <= theirs for mine, theirs in zip(astuple(self), astuple(other), strict=True))


class Meter:
    """Reads a server's resources; the server needs `environment` for that."""

    def __init__(self, directory: Path) -> None:
        self._count = directory / "tasks"
        place = Path(__file__).parent / "counting_tasks"
        self.environment = {"PYTHONPATH": f"{ROOT}{os.pathsep}{place}", "COUNT_TASKS_IN": str(self._count)}

    def read(self, program: Program) -> Resources:
        """Return what a program holds now."""
        self._count.unlink(missing_ok=True)
        os.kill(program.process.pid, signal.SIGUSR1)
        program.wait_until(self._count.exists, PATIENCE, pause=0.01)
        open_files = [_target(link) for link in Path(f"/proc/{program.process.pid}/fd").iterdir()]
        sockets = sum(one.startswith("socket:") for one in open_files)
        threads = len(list(Path(f"/proc/{program.process.pid}/task").iterdir()))
        return Resources(sockets, len(open_files) - sockets, threads, int(self._count.read_text()))


def _target(link: Path) -> str:
    try:
        return str(link.readlink())
    except FileNotFoundError:
        return ""


def resident_megabytes(program: Program) -> float:
    """How much memory a program has now."""
    return _status(program, "VmRSS")


def most_resident_megabytes(program: Program) -> float:
    """How much memory a program has had at most, since `forget_most_resident`."""
    return _status(program, "VmHWM")


def forget_most_resident(program: Program) -> None:
    """Begin again to look for the most memory."""
    Path(f"/proc/{program.process.pid}/clear_refs").write_text("5")


def _status(program: Program, field: str) -> float:
    text = Path(f"/proc/{program.process.pid}/status").read_text()
    found = re.search(rf"^{field}:\s+(\d+) kB$", text, re.MULTILINE)
    assert found, text
    return int(found[1]) / 1024
