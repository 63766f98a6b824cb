"""Requests that are right but for one place."""

import copy
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.security.fuzzing.requests import Requests

GONE = object()
VALUES: tuple[Any, ...] = (
    *(GONE, None, True, "", [], {}, [None], [""], [{}], {"a": None}, ["a", 1], {"type": "text"}),
    *(0, -1, 1.5, 2**31, 10**12, "x", "'\"%;--", "é" * 300, "a" * 5000, "../../etc"),
)
"""What takes a place; `GONE` leaves it out."""
OWN_NAMES = ("dataset_id", "benchmark_id", "shield_id", "toolgroup_id", "scoring_fn_id")

Place = tuple[str | int, ...]


@dataclass(frozen=True)
class Changed:
    """A request of which one place is not what it was."""

    operation: str
    body: dict[str, Any]
    place: Place


def all_changes(valid: Requests, seed: int) -> list[Changed]:
    """Return every request with every place changed to every value, in an order that the seed decides."""
    changes = [
        Changed(operation, _put(body, place, value), place)
        for operation, bodies in valid.items()
        for body in bodies
        for place in _places(body)
        for value in VALUES
    ]
    random.Random(seed).shuffle(changes)
    return [_with_a_new_name(change, number) for number, change in enumerate(changes)]


def _places(node: Any, place: Place = ()) -> Iterator[Place]:
    children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, child in children:
        yield (*place, key)
        yield from _places(child, (*place, key))


def _put(body: dict[str, Any], place: Place, value: Any) -> dict[str, Any]:
    changed = copy.deepcopy(body)
    *outer, last = place
    node: Any = changed
    for step in outer:
        node = node[step]
    if value is GONE:
        del node[last]
    else:
        node[last] = value
    return changed


def _with_a_new_name(change: Changed, number: int) -> Changed:
    """Let what is registered have a name that is not taken yet."""
    named = [name for name in OWN_NAMES if change.body.get(name) == "new"]
    return Changed(change.operation, change.body | dict.fromkeys(named, f"new-{number}"), change.place)
