"""What a server takes of the machine: its process with all below it, read from /proc."""

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")
IDLE = 0.05
"""Of a processor: a server that takes less has done what it was asked."""
PATIENCE = 30
"""Seconds in which a server becomes idle; stock goes on with requests whose clients have left."""


@dataclass(frozen=True)
class Held:
    """What a server holds at a moment."""

    memory: int
    """Resident bytes."""
    descriptors: int
    sockets: int
    threads: int


def cpu_seconds(root: int) -> float:
    """What a process and all below it have taken so far, those that have ended included, to a hundredth of a second."""
    ticks = 0
    for process in _tree(root):
        with suppress(OSError):
            fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
            ticks += sum(int(number) for number in fields[11:15])  # utime, stime, and those of ended children
    return ticks / TICK


def wait_until_idle(root: int) -> None:
    """Return once a server does next to nothing, or after a while."""
    deadline = time.monotonic() + PATIENCE
    pause = 0.2
    before = cpu_seconds(root)
    while time.monotonic() < deadline:
        time.sleep(pause)
        now = cpu_seconds(root)
        if now - before <= max(IDLE * pause, 1 / TICK):
            return
        before = now


def program(root: int) -> int:
    """The process that a sandbox runs; the process itself where there is no sandbox."""
    command = Path(f"/proc/{root}/comm").read_text().strip()
    return next(_children(root)) if command == "unshare" else root


def held(root: int) -> Held:
    """What a process and all below it hold now."""
    memory = threads = 0
    targets: list[str] = []
    for process in _tree(root):
        with suppress(OSError):
            status = dict(line.split(":", 1) for line in Path(f"/proc/{process}/status").read_text().splitlines())
            memory += int(status["VmRSS"].split()[0]) * 1024
            threads += int(status["Threads"])
            targets += _open_files(process)
    sockets = sum(target.startswith("socket:") for target in targets)
    return Held(memory, len(targets), sockets, threads)


class OtherPrograms:
    """What the machine does beside this process and all below it, since this was made."""

    def __init__(self) -> None:
        self._before = self._read()

    @property
    def share(self) -> float:
        """Percent of the machine."""
        busy, own, total = (now - before for now, before in zip(self._read(), self._before, strict=True))
        return max(0.0, 100 * (busy - own) / max(total, 1 / TICK))

    def _read(self) -> tuple[float, float, float]:
        words = Path("/proc/stat").read_text().partition("\n")[0].split()[1:9]
        user, nice, system, idle, waiting, irq, softirq, stolen = (int(word) / TICK for word in words)
        busy = user + nice + system + irq + softirq + stolen
        return busy, cpu_seconds(os.getpid()), busy + idle + waiting


def _open_files(process: int) -> Iterator[str]:
    for descriptor in Path(f"/proc/{process}/fd").iterdir():
        with suppress(OSError):  # closed meanwhile
            yield str(descriptor.readlink())


def _tree(root: int) -> Iterator[int]:
    yield root
    for child in _children(root):
        yield from _tree(child)


def _children(process: int) -> Iterator[int]:
    for thread in Path(f"/proc/{process}/task").glob("*"):
        with suppress(OSError):
            yield from map(int, (thread / "children").read_text().split())
