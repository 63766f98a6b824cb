"""`build.py check`: what CI asks first: lint, format, contracts of imports, types, unit tests."""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from builder import ending, paths
from builder.arguments import Parser
from builder.commands import Command, register
from builder.errors import KitError, UsageError, did_you_mean

PARTS = {
    "lint": ("ruff", "check"),
    "format": ("ruff", "format", "--check"),
    "contracts": ("lint-imports",),
    "types": ("mypy",),
    "unit": ("pytest", "-q", "tests/unit"),
}
"""What is checked, and the program of the tests' environment that checks it. The slowest come last."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """Which parts to check."""

    parts: Sequence[str]


def add_arguments(parser: Parser) -> None:
    """Add what the command takes."""
    parser.add_argument(
        "parts", nargs="*", type=_part, default=list(PARTS), metavar="PART", help=f"{', '.join(PARTS)} (default: all)"
    )


def _part(name: str) -> str:
    if name not in PARTS:
        raise UsageError(f"build.py check has no part `{name}`{did_you_mean(name, PARTS)}")
    return name


@dataclass(frozen=True)
class Done:
    """One part that has ended."""

    part: str
    passed: bool
    seconds: float
    said: str


def run(options: Options) -> int:
    """Run every part, two at a time, and say what each took. Raises KitError if one failed, when all have ended."""
    from builder import progress

    failed = []
    with ThreadPoolExecutor(min(2, os.cpu_count() or 1)) as pool:
        for ended in as_completed(pool.submit(_check, part) for part in options.parts):
            done = ended.result()
            if not done.passed:
                failed.append(done.part)
                sys.stdout.write(done.said)
                sys.stdout.flush()
            verdict = "passed" if done.passed else "FAILED"
            progress.err.print(f"{done.part:<9} {verdict} {done.seconds:.1f} s  {' '.join(PARTS[done.part])}")
    if failed:
        raise KitError(f"{' and '.join(sorted(failed))} failed", f"again: python build.py check {' '.join(failed)}")
    return 0


def _check(part: str) -> Done:
    """Run a part from the clone's root, whose settings are in pyproject.toml."""
    program, *words = PARTS[part]
    command = [str(Path(sys.executable).with_name(program)), *words]
    started = time.monotonic()
    streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    with ending.program(command, cwd=paths.ROOT, text=True, **streams) as checking:
        said, _ = checking.communicate()
    return Done(part, checking.returncode == 0, time.monotonic() - started, said)


register(
    Command(
        name="check",
        summary="lint, contracts, types and unit tests, as CI asks first",
        description="Check the kit's code: lint, format, contracts of imports, types and unit tests. Nothing is "
        "built.\nAll parts run, also after one has failed; what a failed part says goes to standard output.",
        add_arguments=add_arguments,
        options=Options,
        run=run,
    )
)
