"""What moved between two snapshots."""

import pytest

from maintenance.comparison import Items, Move, Value, moves

VLLM: Items = {"vllm": {"module": "a.vllm", "url": "str", "limit": "int = 3"}}


@pytest.mark.parametrize(
    ("before", "after", "moved"),
    [
        (VLLM, VLLM, []),
        ({}, VLLM, [Move("vllm", "", None, ("module", "url", "limit"))]),
        (VLLM, {}, [Move("vllm", "", ("module", "url", "limit"), None)]),
        (VLLM, {"vllm": {**VLLM["vllm"], "url": "int"}}, [Move("vllm", "url", "str", "int")]),
        (VLLM, {"vllm": {**VLLM["vllm"], "tls": "bool"}}, [Move("vllm", "tls", None, "bool")]),
        ({"vllm": {**VLLM["vllm"], "tls": "bool"}}, VLLM, [Move("vllm", "tls", "bool", None)]),
        (
            VLLM,
            {"new": {**VLLM["vllm"], "module": "b.vllm"}},
            [Move("vllm", "", "vllm", "new"), Move("vllm", "module", "a.vllm", "b.vllm")],
        ),
    ],
)
def test_moves(before: Items, after: Items, moved: list[Move]) -> None:
    assert list(moves(before, after)) == moved


def test_one_thing_in_common_is_no_other_name() -> None:
    assert list(moves({"a": {"type": "str"}}, {"b": {"type": "str"}})) == [
        Move("a", "", ("type",), None),
        Move("b", "", None, ("type",)),
    ]


def test_two_items_never_get_the_same_new_name() -> None:
    same: dict[str, Value] = {"module": "a", "url": "str"}
    moved = list(moves({"a": same, "b": same}, {"c": same}))
    assert [(move.item, move.after) for move in moved] == [("a", "c"), ("b", None)]
