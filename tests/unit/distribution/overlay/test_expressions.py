"""Searches with a time, in place of the module `re`."""

import re

import pytest

from distribution.overlay.expressions import LONGEST_EXPRESSION, TimedExpressions

timed = TimedExpressions(re)


def test_it_does_what_re_does() -> None:
    assert timed.search("(b)", "abc").group(1) == "b"
    assert timed.findall(r"\w+", "A b", flags=timed.IGNORECASE) == ["A", "b"]
    assert timed.sub(r"(a)(b)", "\\2\\1", "ab") == "ba"
    assert [found.group() for found in timed.finditer("a", "aba")] == ["a", "a"]
    assert timed.findall(timed.compile("a"), "aba") == ["a", "a"]
    assert timed.search(re.compile("B", re.IGNORECASE), "abc").group() == "b"


@pytest.mark.parametrize("method", ["search", "findall", "finditer", "split"])
def test_what_explodes_is_given_up(method: str) -> None:
    with pytest.raises(ValueError, match="takes too long"):
        getattr(timed, method)("(a+)+$", "a" * 5000 + "!")


@pytest.mark.parametrize(
    "expression", ["(?:(?:(?:a{1000}){1000}){1000}){1000}", "(?:(?:a{1000}){1000}){3}", "((a{,999}){0,999}){9}"]
)
def test_what_fills_the_memory_is_not_compiled(expression: str) -> None:
    with pytest.raises(ValueError, match="repeats too much"):
        timed.search(expression, "a")


@pytest.mark.parametrize(
    "expression", [r"\d{4}-\d{2}-\d{2}", ".{1,1000}", r"(\d{1,3})(?:,\d{3}){0,9}", "{", "a{}", "a{,}"]
)
def test_ordinary_counts_are_taken(expression: str) -> None:
    timed.search(expression, "a")


@pytest.mark.parametrize("expression", ["(", "(" * 3000, "a" * (LONGEST_EXPRESSION + 1), "*"])
def test_what_is_no_expression_is_the_clients_mistake(expression: str) -> None:
    with pytest.raises(ValueError, match="regular expression"):
        timed.search(expression, "a")
