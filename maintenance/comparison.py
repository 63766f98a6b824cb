"""What moved between two snapshots: items that came, went, have another name or say something else."""

from collections.abc import Iterator
from dataclasses import dataclass

Value = str | tuple[str, ...]
Items = dict[str, dict[str, Value]]
"""Item -> aspect -> what it says: a provider type and its packages, a class and its fields, a function and its code."""

SIMILAR = 0.6
"""The share of aspects that are the same from which an item that went and one that came are taken for the same one."""


@dataclass(frozen=True)
class Move:
    """One thing that moved. `before` is None for what came, `after` for what went.

    Without `aspect` the item itself came, went, or has another name (then both are names).
    """

    item: str
    aspect: str
    before: Value | None
    after: Value | None


def moves(before: Items, after: Items) -> Iterator[Move]:
    """Yield what moved, item by item in the order of their names."""
    renamed = _renamed(before, after)
    for item in sorted(before.keys() | after.keys() - set(renamed.values())):
        now = renamed.get(item, item)
        if item not in before:
            yield Move(item, "", None, tuple(after[item]))
        elif now not in after:
            yield Move(item, "", tuple(before[item]), None)
        else:
            if now != item:
                yield Move(item, "", item, now)
            yield from _changes(item, before[item], after[now])


def _changes(item: str, before: dict[str, Value], after: dict[str, Value]) -> Iterator[Move]:
    for aspect in [*before, *(name for name in after if name not in before)]:
        if before.get(aspect) != after.get(aspect):
            yield Move(item, aspect, before.get(aspect), after.get(aspect))


def _renamed(before: Items, after: Items) -> dict[str, str]:
    """Return the items that most probably go on under another name: old name -> new name."""
    went, came = sorted(before.keys() - after.keys()), sorted(after.keys() - before.keys())
    pairs = [(_similarity(before[old], after[new]), old, new) for old in went for new in came]
    found: dict[str, str] = {}
    for similarity, old, new in sorted(pairs, key=lambda pair: -pair[0]):
        if similarity >= SIMILAR and old not in found and new not in found.values():
            found[old] = new
    return found


def _similarity(one: dict[str, Value], other: dict[str, Value]) -> float:
    same = sum(1 for aspect, value in one.items() if other.get(aspect) == value)
    return same / max(len(one), len(other)) if same > 1 else 0
