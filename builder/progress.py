"""Tell the user what is going on: a spinner and a line a step on a terminal, plain lines elsewhere."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn
from rich.text import Text


def console(**where: Any) -> Console:
    """A console that prints text as it is: `[/a]` in a path is no markup, `:tag:` in an answer no emoji."""
    return Console(highlight=False, soft_wrap=True, markup=False, emoji=False, **where)


out = console()
"""Results: standard output."""

err = console(stderr=True)
"""Progress, warnings and errors: standard error."""


class Step:
    """A step under way; `detail` may be refined until it is done."""

    def __init__(self, detail: str) -> None:
        self.detail = detail


@contextmanager
def step(name: str, detail: str = "") -> Iterator[Step]:
    """Show that `name` is under way; when it is done, one line with its detail and the seconds it took."""
    current = Step(detail)
    started = time.monotonic()
    if err.is_terminal:
        with err.status(Text.assemble(name, " ", (detail, "dim"))):
            yield current
    else:
        yield current
    seconds = time.monotonic() - started
    line(name, current.detail, f"{seconds:.1f} s")


def line(name: str, detail: str, aside: str = "") -> None:
    """One line of what has been done."""
    err.print(Text.assemble((f"{name:<9}", "bold"), " ", detail, " " if aside else "", (aside, "dim")))


class Transfers:
    """Bars of what is being transferred, on a terminal; nothing elsewhere."""

    def __init__(self, bars: Progress | None) -> None:
        self._bars = bars

    @contextmanager
    def one(self, name: str, size: int) -> Iterator[Callable[[int], None]]:
        """A bar while the block lasts; call what it yields with the bytes done so far."""
        if not self._bars:
            yield lambda done: None
            return
        bars, bar = self._bars, self._bars.add_task(name, total=size)
        try:
            yield lambda done: bars.update(bar, completed=done)
        finally:
            bars.remove_task(bar)


@contextmanager
def transfers() -> Iterator[Transfers]:
    """Bars side by side; lines printed meanwhile appear above them."""
    if not err.is_terminal:
        yield Transfers(None)
        return
    columns = (TextColumn("{task.description:<24}", markup=False), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=err, transient=True) as bars:
        yield Transfers(bars)


def warn(message: str) -> None:
    """A line the user should not miss."""
    err.print(Text.assemble(("warning: ", "yellow"), message))


def error(message: str, advice: str) -> None:
    """What went wrong, and below it what to do, if anybody knows."""
    err.print(Text.assemble(("error: ", "red"), message))
    if advice:
        err.print(f"  -> {advice}")


def megabytes(size: int) -> str:
    """A size for people."""
    return f"{size / 1e6:.1f} MB"
