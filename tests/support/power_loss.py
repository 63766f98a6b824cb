"""What a disk would hold if the power failed at a moment of a program's run, by the system calls that it made.

strace writes down what was written and when the program waited for the disk. Of a file a power failure leaves what had
reached the disk by the last fsync, and of what was written since any part. What fsync itself leaves to the hardware,
and names of files that only an fsync of their directory makes durable, are outside of this.
"""

import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.process import installed

CALLS = "pwrite64,write,fsync,fdatasync,ftruncate,unlink"
LINE = re.compile(r"(\d+) +(?:(\w+)\((.*)|<\.\.\. (\w+) resumed>(.*))$")
HEX = re.compile(r"\\x([0-9a-f]{2})")


@dataclass(frozen=True)
class Call:
    """One system call, when it has ended: or begun, where it is one that others see before it ends."""

    name: str
    path: str
    """The file's; empty for what is none, such as a pipe."""
    data: bytes = b""
    offset: int = 0


@dataclass
class Disk:
    """The files of a directory: what is durable, and what was written since in its order."""

    durable: dict[str, bytes] = field(default_factory=dict)
    pending: dict[str, list[Call]] = field(default_factory=dict)

    def happen(self, call: Call) -> None:
        """Take note of a call."""
        if call.name in ("fsync", "fdatasync"):
            waiting = self.pending.pop(call.path, [])
            self.durable[call.path] = _written(self.durable.get(call.path, b""), waiting)
        elif call.name == "unlink":
            self.durable.pop(call.path, None)
            self.pending.pop(call.path, None)
        else:
            self.pending.setdefault(call.path, []).append(call)

    def after_a_failure(self, dice: random.Random) -> dict[str, bytes]:
        """The files if the power failed now, with none, some or all of what no fsync has waited for."""
        share = dice.choice([0.0, dice.random(), 1.0])
        files = dict(self.durable)
        for path, calls in self.pending.items():
            survived = [call for call in calls if dice.random() < share]
            files[path] = _written(files.get(path, b""), survived)
        return files


def tracing(log: Path) -> tuple[str | Path, ...]:
    """What to put before a command; raises ``NotInstalled``."""
    strace = installed("strace", "apt-get install strace")
    return strace, "-f", "-y", "-xx", "-s", "1000000", "-e", f"trace={CALLS}", "-o", log


def calls(log: Path, directory: Path) -> Iterator[Call]:
    """What a traced program did to the files of a directory, and to standard output, which has no path."""
    begun: dict[str, str] = {}
    with log.open() as lines:
        for line in lines:
            found = LINE.match(line.rstrip("\n"))
            if found is None:
                continue
            thread, name, arguments, resumed, rest = found.groups()
            if resumed is not None:
                name, arguments = resumed, begun.pop(thread) + rest
            elif arguments.endswith("<unfinished ...>"):
                begun[thread] = arguments.removesuffix("<unfinished ...>")
                # Its reader may have read it before the call has ended.
                if name != "write":
                    continue
            elif thread in begun:
                del begun[thread]
            if resumed == "write" and arguments.startswith("1<"):
                continue
            if call := _call(name, arguments, directory):
                yield call


def _call(name: str, arguments: str, directory: Path) -> Call | None:
    if name == "unlink":
        path = _bytes(arguments).decode()
        return Call(name, path) if Path(path).parent == directory else None
    descriptor, _, rest = arguments.partition("<")
    path = _bytes(rest.partition(">")[0]).decode()
    if name == "write" and descriptor == "1":
        return Call(name, "", _bytes(rest.partition(">")[2]))
    if Path(path).parent != directory or path.endswith("-shm"):
        return None
    given = rest.partition(">, ")[2].rpartition(")")[0]
    if name == "ftruncate":
        return Call(name, path, offset=int(given))
    if name == "pwrite64":
        return Call(name, path, _bytes(given), int(given.rpartition(", ")[2]))
    return Call(name, path)


def _bytes(text: str) -> bytes:
    return bytes.fromhex("".join(HEX.findall(text)))


def _written(content: bytes, calls: Sequence[Call]) -> bytes:
    changed = bytearray(content)
    for call in calls:
        if call.name == "ftruncate":
            del changed[call.offset :]
            continue
        changed.extend(bytes(max(0, call.offset - len(changed))))
        changed[call.offset : call.offset + len(call.data)] = call.data
    return bytes(changed)
