"""Figures as bars, on a logarithmic scale: an SVG of our own, since no package of the kit draws."""

import math
from collections.abc import Iterator, Sequence
from html import escape

from benchmarks.report import Figure

WIDTH, LABELS, NUMBERS = 900, 250, 90
BAR, GAP = 11, 9
COLOURS = {"ours": "#1a7f37", "stock": "#b35900", "bare": "#8c959f"}
_DRAWN = ("µs", "ms", "1/s")
"""Units of what is drawn; counts and percentages are not."""


def bars(title: str, figures: Sequence[Figure]) -> str:
    """An SVG with a group for each figure that has a unit of time or rate, each unit on a scale of its own."""
    groups = [(unit, [figure for figure in figures if figure.unit == unit]) for unit in _DRAWN]
    pieces: list[str] = []
    height = 60
    for unit, group in groups:
        if group:
            drawn, height = _group(unit, group, height)
            pieces += drawn
    legend = (f'<tspan fill="{colour}">&#9632; {name}</tspan><tspan>  </tspan>' for name, colour in COLOURS.items())
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" '
        f'font-size="11">'
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>'
        f'<text x="10" y="22" font-size="15">{escape(title)}</text>'
        f'<text x="10" y="42" xml:space="preserve">{"".join(legend)}</text>{"".join(pieces)}</svg>\n'
    )


def _group(unit: str, figures: Sequence[Figure], top: int) -> tuple[list[str], int]:
    """The bars of one unit, and where they end."""
    values = [value for figure in figures for _, value in _values(figure)]
    low = math.floor(math.log10(min(values, default=1)))
    high = max(low + 1, math.ceil(math.log10(max(values, default=10))))
    room = WIDTH - LABELS - NUMBERS
    pieces = [f'<text x="{LABELS}" y="{top + 12}" fill="#57606a">{unit}, each step ten times as much</text>']
    y = top + 22
    for figure in figures:
        pieces.append(f'<text x="{LABELS - 8}" y="{y + BAR - 1}" text-anchor="end">{escape(figure.name)}</text>')
        for name, value in _values(figure):
            length = max(1.0, room * (math.log10(value) - low) / (high - low))
            pieces.append(
                f'<rect x="{LABELS}" y="{y}" width="{length:.1f}" height="{BAR}" fill="{COLOURS[name]}"/>'
                f'<text x="{LABELS + length + 5:.1f}" y="{y + BAR - 1}">{value:,.{_digits(value)}f}</text>'
            )
            y += BAR + 1
        y += GAP
    for step in range(low, high + 1):
        x = LABELS + room * (step - low) / (high - low)
        pieces.insert(0, f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{top + 18}" y2="{y}" stroke="#d0d7de"/>')
    return pieces, y + 16


def _values(figure: Figure) -> Iterator[tuple[str, float]]:
    """What can be drawn on a logarithmic scale."""
    for name, value in (("ours", figure.ours), ("stock", figure.stock), ("bare", figure.bare)):
        if value is not None and value > 0:
            yield name, value


def _digits(value: float) -> int:
    return 0 if value >= 100 else 2
