"""Figures of ours beside stock's: as a table for people, as JSON for programs.

A benchmark reports and never fails: machines differ, and a neighbour's load is no defect of ours.
"""

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Target:
    """What a figure should reach: the figure itself, or its ratio to stock's."""

    limit: float
    of_ratio: bool = False
    at_least: bool = False

    def __str__(self) -> str:
        return f"{'ratio ' if self.of_ratio else ''}{'>=' if self.at_least else '<='} {self.limit:g}"

    def is_met(self, ours: float, ratio: float | None) -> bool:
        """Whether it is reached; a target for a ratio is not where there is none."""
        value = ratio if self.of_ratio else ours
        if value is None:
            return False
        return value >= self.limit if self.at_least else value <= self.limit


@dataclass(frozen=True)
class Figure:
    """One measured quantity; `stock` is None where only ours has it, `bare` where it means nothing without a server."""

    name: str
    unit: str
    ours: float
    stock: float | None = None
    target: Target | None = None
    bare: float | None = None
    """Of what both servers ask, without any server in front of it."""
    others: float | None = None
    """Percent of the machine that other programs took meanwhile."""

    @property
    def ratio(self) -> float | None:
        """Ours to stock's."""
        return self.ours / self.stock if self.stock else None

    @property
    def met(self) -> bool | None:
        """Whether the target is reached; None without one."""
        return self.target.is_met(self.ours, self.ratio) if self.target else None


@dataclass
class Conditions:
    """The machine, and how busy it was. Made before measuring; figures of a busy machine say little."""

    processors: int = field(default_factory=lambda: os.cpu_count() or 1)
    machine: str = field(default_factory=lambda: f"{platform.system()} {platform.machine()}")
    load_before: float | None = field(default_factory=lambda: _load())

    def as_dict(self) -> dict[str, Any]:
        """For JSON; the load is the average of the last minute."""
        return {
            "machine": self.machine,
            "processors": self.processors,
            "load_before": self.load_before,
            "load_after": _load(),
        }


def show(title: str, figures: Sequence[Figure], conditions: Conditions, *, as_json: bool) -> None:
    """Print the figures to standard output."""
    if as_json:
        rows = [_as_dict(figure) for figure in figures]
        print(json.dumps({"title": title, "conditions": conditions.as_dict(), "figures": rows}, indent=2))
        return
    columns = _columns(figures)
    table = Table(*columns, box=None, pad_edge=False, header_style="bold", title=title, title_justify="left")
    for column in table.columns:
        column.justify = "right" if column.header in _NUMBERS else "left"
    for figure in figures:
        cells = _cells(figure)
        table.add_row(*(cells[name] for name in columns))
    console = Console(highlight=False, soft_wrap=True, width=_WIDTH)
    console.print(table)
    facts = conditions.as_dict()
    console.print(
        f"{facts['machine']}, {facts['processors']} processors, "
        f"load {facts['load_before']} before and {facts['load_after']} after"
    )


def markdown(figures: Sequence[Figure]) -> str:
    """The figures as a table of a document."""
    columns = _columns(figures)
    rows = [[_cells(figure)[name] for name in columns] for figure in figures]
    rules = ["---:" if name in _NUMBERS else "---" for name in columns]
    return "".join(f"| {' | '.join(row)} |\n" for row in [columns, rules, *rows])


_WIDTH = 140
"""Characters of a line: a table in a pipe is one of lines too."""
_NUMBERS = ("ours", "stock", "ratio", "bare", "others")


def _columns(figures: Sequence[Figure]) -> list[str]:
    """The headings: what no figure has is left out."""
    columns = ["figure", "ours", "stock", "bare", "unit", "ratio", "target", "met", "others"]
    for name in ("bare", "others"):
        if all(getattr(figure, name) is None for figure in figures):
            columns.remove(name)
    return columns


def _cells(figure: Figure) -> dict[str, str]:
    return {
        "figure": figure.name,
        "ours": _shown(figure.ours),
        "stock": _shown(figure.stock),
        "bare": _shown(figure.bare),
        "unit": figure.unit,
        "ratio": "" if figure.ratio is None or not figure.unit else _shown_ratio(figure.ratio),  # counts have none
        "target": str(figure.target or ""),
        "met": {True: "yes", False: "no", None: ""}[figure.met],
        "others": "" if figure.others is None else f"{figure.others:.0f} %",
    }


def _as_dict(figure: Figure) -> dict[str, Any]:
    return {
        "name": figure.name,
        "unit": figure.unit,
        "ours": figure.ours,
        "stock": figure.stock,
        "bare": figure.bare,
        "others": figure.others,
        "ratio": figure.ratio,
        "target": str(figure.target) if figure.target else None,
        "met": figure.met,
    }


def _shown(value: float | None) -> str:
    """Three digits, or all of those before the point."""
    if value is None:
        return ""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def _shown_ratio(value: float) -> str:
    """Two digits after the point, or those that say something of a small one."""
    return f"{value:.2f}" if value >= 0.1 or not value else f"{value:.2g}"


def _load() -> float | None:
    return round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None
