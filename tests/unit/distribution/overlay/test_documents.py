"""The encoding of a text that is attached to a vector store."""

import pytest

from distribution.overlay.documents import LOOKED_AT, encoding_of

WORDS = "Жирафы имеют длинные шеи, а кроты нет. "  # noqa: RUF001


@pytest.mark.parametrize("text", ["", "plain", WORDS, "Grüße aus Köln"])
def test_what_can_be_utf_8_is(text: str) -> None:
    assert encoding_of(text.encode()) == "utf-8"


def test_anything_else_is_guessed_from_its_beginning() -> None:
    text = (WORDS * LOOKED_AT).encode("cp1251")

    assert encoding_of(text).lower() == "windows-1251"
    assert encoding_of(text[:LOOKED_AT] + bytes(range(256)) * 4000).lower() == "windows-1251"
