"""Run another program and make its failure readable."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from builder import ending, network, room
from builder.errors import KitError, NoRoomError, UnreachableError


def run(
    command: Sequence[str | Path],
    *,
    failure: str,
    error: type[KitError] = KitError,
    advice: str = "",
    stdin: str | None = None,
    environment: Mapping[str, str] | None = None,
) -> str:
    """Run `command` and return its standard output.

    A non-zero exit raises `error` with `failure`, the end of what the program said, and `advice`; NoRoomError if it
    said that a disk is full.
    """
    words = [str(word) for word in command]
    options: dict[str, Any] = {
        "stdin": subprocess.DEVNULL if stdin is None else subprocess.PIPE,
        "stdout": subprocess.PIPE,
        "stderr": subprocess.PIPE,
        "text": True,
        "env": {**os.environ, **environment} if environment else None,
    }
    try:
        with ending.program(words, **options) as started:
            output, said = started.communicate(stdin)
    except OSError as problem:
        raise KitError(f"{failure}: {words[0]} cannot be run: {problem.strerror}") from problem
    if started.returncode and room.is_missing(said + output):
        raise NoRoomError(f"{failure}: a disk is full\n{last_lines(said or output, 1)}", "make room there")
    if started.returncode:
        raise error(f"{failure}:\n{last_lines(said or output)}", advice)
    return str(output)


def run_uv(
    arguments: Sequence[str | Path],
    *,
    failure: str,
    error: type[KitError] = KitError,
    advice: str = "",
    stdin: str = "",
    extra_indexes: bool = True,
) -> str:
    """`run` uv, the one of this environment whatever is on PATH, with the network settings that pip and uv share."""
    environment = network.for_uv(extra_indexes=extra_indexes)
    return run([uv(), *arguments], failure=failure, error=error, advice=advice, stdin=stdin, environment=environment)


def last_lines(text: str, count: int = 25) -> str:
    """The end of a program's output, indented, for a message."""
    return "\n".join("  " + line for line in text.strip().splitlines()[-count:])


def uv() -> str:
    """The uv of this environment, whatever is on PATH."""
    beside = shutil.which("uv", path=str(Path(sys.executable).parent))
    return beside or "uv"


def host_python(version: str) -> str:
    """An interpreter of this minor version on this machine, to do what the image's own does in a sandbox."""
    if sys.version_info[:2] == tuple(int(part) for part in version.split(".")):
        return sys.executable
    return run_uv(
        ["python", "find", version],
        failure=f"the image's Python files need Python {version}, and this machine has none",
        error=UnreachableError,
        advice=f"install Python {version}, or let uv download it: uv python install {version}",
    ).strip()
