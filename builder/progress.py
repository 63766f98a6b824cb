"""Tell the user what is going on: a spinner and a line a step on a terminal, plain lines elsewhere."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

out = Console(highlight=False, soft_wrap=True)
"""Results: standard output."""

err = Console(stderr=True, highlight=False, soft_wrap=True)
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
        with err.status(f"{name} [dim]{detail}[/dim]"):
            yield current
    else:
        yield current
    seconds = time.monotonic() - started
    err.print(f"[bold]{name:<9}[/bold] {current.detail} [dim]{seconds:.1f} s[/dim]")


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
    columns = (TextColumn("{task.description:<24}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=err, transient=True) as bars:
        yield Transfers(bars)


def warn(message: str) -> None:
    """A line the user should not miss."""
    err.print(f"[yellow]warning:[/yellow] {escape(message)}", markup=True)


def megabytes(size: int) -> str:
    """A size for people."""
    return f"{size / 1e6:.1f} MB"
