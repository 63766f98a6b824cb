"""What moved as text, a line a move, or as JSON."""

import difflib
import json
from collections.abc import Iterator
from dataclasses import asdict
from itertools import groupby

from distribution.overlay.declaration import Change
from maintenance.comparison import Move, Value
from maintenance.signatures import THERE

LONGEST = 160
"""Characters of one value."""

REGISTRIES = "provider types"
CONFIGS = "config classes of provider types"
RUN_CONFIG = "run config, and the classes that configs name"
CHANGES = "changed by distribution/overlay"
IMPORTS = "imported by distribution/ and providers/"


def as_json(pinned: str, other: str, found: dict[str, list[Move]], mended: list[Change]) -> str:
    """Return everything, code included; null is what is not there."""
    moved = {subject: [asdict(one) for one in moves] for subject, moves in found.items()}
    targets = [{"target": one.target, "fixed_in": one.fixed_in} for one in mended]
    return json.dumps({"from": pinned, "to": other, "moved": moved, "mended": targets}, indent=2) + "\n"


def as_text(pinned: str, other: str, found: dict[str, list[Move]], mended: list[Change]) -> str:
    """Return a section a subject: `+` came, `-` went, `~` is different. Long values are cut."""
    lines = [f"llama-stack {pinned} -> {other}"]
    for subject, moves in found.items():
        items = [(item, list(of_item)) for item, of_item in groupby(moves, key=lambda move: move.item)]
        lines += ["", f"{subject}: {len(items) or 'nothing'} moved"]
        lines += [line for item, of_item in items for line in _item(item, of_item)]
    lines += ["", f"declared as mended by {other}: {len(mended) or 'nothing'}"]
    lines += [f"  = {one.target} ({one.fixed_in})" for one in mended]
    return "\n".join(lines) + "\n"


def _item(item: str, moves: list[Move]) -> Iterator[str]:
    match moves:
        case [Move(aspect="", before=None, after=after)]:
            yield f"  + {item}: new, with {_shown(after)}"
        case [Move(aspect="", after=None)]:
            yield f"  - {item}: gone"
        case [Move(aspect="state", after=str(state)), *_] if state != THERE:
            yield f"  - {item}: {state}"
        case [Move(aspect="", after=after), *parts]:
            yield f"  ~ {item}: now {after}"
            yield from (f"      {_part(move)}" for move in parts)
        case _:
            yield f"  ~ {item}"
            yield from (f"      {_part(move)}" for move in moves)


def _part(move: Move) -> str:
    before, after = move.before, move.after
    if before is None:
        return f"+ {move.aspect}: {_shown(after)}"
    if after is None:
        return f"- {move.aspect}: {_shown(before)}"
    if move.aspect == "code":
        marks = [line[0] for line in difflib.ndiff(before, after)]
        return f"~ code: {marks.count('-')} lines less, {marks.count('+')} more"
    if isinstance(before, tuple) and isinstance(after, tuple):
        less, more = [one for one in before if one not in after], [one for one in after if one not in before]
        moved = [*(f"-{one}" for one in less), *(f"+{one}" for one in more)]
        return f"~ {move.aspect}: {', '.join(moved) or 'in another order'}"
    return f"~ {move.aspect}: {_shown(before)} -> {_shown(after)}"


def _shown(value: Value | None) -> str:
    text = ", ".join(value) if isinstance(value, tuple) else str(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."
