"""Which bytes a ``Range`` header asks for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.files.byte_range import NotSatisfiable, parse

SIZE = 10


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes=0-0", (0, 1)),
        ("bytes=0-9", (0, 10)),
        ("bytes=2-5", (2, 6)),
        ("bytes=9-", (9, 10)),
        ("bytes=0-", (0, 10)),
        ("bytes=5-999999999999999999", (5, 10)),
        ("bytes=-1", (9, 10)),
        ("bytes=-10", (0, 10)),
        ("bytes=-11", (0, 10)),
        ("BYTES=1-2", (1, 3)),
        ("  bytes=1-2 ", (1, 3)),
        ("bytes=007-008", (7, 9)),
    ],
)
def test_a_range_is_its_first_byte_and_the_one_after_its_last(header: str, expected: tuple[int, int]) -> None:
    assert parse(header, SIZE) == expected


@pytest.mark.parametrize(
    "header",
    [
        "",
        "bytes",
        "bytes=",
        "bytes=-",
        "bytes=a-b",
        "bytes=5-4",
        "bytes=1-2,4-5",
        "bytes=1-2-3",
        "bytes=+1-2",
        "bytes=1.0-2",
        "items=0-1",
        "bytes=0-9999999999999999999",
        "bytes=0-" + "9" * 5000,
    ],
)
def test_what_is_not_understood_asks_for_everything(header: str) -> None:
    assert parse(header, SIZE) is None


@pytest.mark.parametrize(
    ("header", "size"), [("bytes=10-", 10), ("bytes=10-20", 10), ("bytes=-0", 10), ("bytes=0-", 0), ("bytes=-1", 0)]
)
def test_what_lies_outside_is_refused(header: str, size: int) -> None:
    with pytest.raises(NotSatisfiable):
        parse(header, size)


COUNTS = st.integers(0, 10**18 - 1)


@given(COUNTS, COUNTS, COUNTS)
def test_a_range_selects_what_a_slice_would(first: int, last: int, size: int) -> None:
    try:
        asked = parse(f"bytes={first}-{last}", size)
    except NotSatisfiable:
        assert first <= last
        assert first >= size
    else:
        assert asked == (None if last < first else (first, min(last + 1, size)))


@given(st.text(), COUNTS)
def test_no_header_gets_bytes_that_are_not_there(header: str, size: int) -> None:
    try:
        asked = parse(header, size)
    except NotSatisfiable:
        return
    assert asked is None or 0 <= asked[0] < asked[1] <= size
