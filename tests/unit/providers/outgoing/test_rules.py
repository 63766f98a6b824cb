"""The setting is understood as it was meant, or refused with what is wrong."""

import pytest

from providers.outgoing import Rules, RulesError
from providers.outgoing.rules import EXAMPLE


@pytest.mark.parametrize(
    "text",
    ["", "  ", ";", "allow a.example", "allow a.example,b.example ; REFUSE 10.0.0.0/8;", "allow [fd00::1]", EXAMPLE],
)
def test_what_can_be_read(text: str) -> None:
    Rules.parse(text)


def test_lines_are_clauses_and_entries_have_spaces_or_commas() -> None:
    entries = Rules.parse("allow a.example, 10.0.0.0/8\nrefuse b.example,*.c.example").entries
    assert [(entry.text, entry.allows) for entry in entries] == [
        ("a.example", True),
        ("10.0.0.0/8", True),
        ("b.example", False),
        ("*.c.example", False),
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a.example", "`a.example` begins with neither `allow` nor `refuse`"),
        ("deny a.example", "begins with neither"),
        ("allow a.example, refuse b.example", "a `;` is missing before `refuse`"),
        ("refuse 10.0.0.0/8 Allow b.example", "a `;` is missing before `Allow`"),
        ("allow=a.example", "begins with neither"),
        ("allow", "`allow` names nothing"),
        ("allow http://a.example/mcp", "`http://a.example/mcp` is a URL: name its host alone"),
        ("allow a.example:8080", "a port is no part of it"),
        ("allow 10.0.0.1/8", "`10.0.0.1/8` is no network: is 10.0.0.0/8 meant?"),
        ("allow 10.0.0.0/33", "is neither an address nor a network"),
        ("allow 127.1", "is neither an address nor a network"),
        ("allow a_b/c", "it is no host"),
        ("allow a.*.example", "it is no host"),
        ("allow *", "`*` can only be refused"),
        ("allow 169.254.169.254", "cannot be allowed: it is a metadata service"),
        ("allow 169.254.0.0/16", "cannot be allowed: it is a link-local address"),
        ("allow fe80::/10", "cannot be allowed"),
        ("allow 0.0.0.0", "cannot be allowed"),
        ("allow metadata.google.internal", "is a metadata service, which cannot be allowed"),
        ("allow a.example; refuse A.example.", "`a.example` is both allowed and refused"),
        ("allow 10.0.0.1; refuse 10.0.0.1/32", "is both allowed and refused"),
    ],
)
def test_what_cannot_be_read(text: str, said: str) -> None:
    with pytest.raises(RulesError) as error:
        Rules.parse(text)
    assert said in str(error.value)
    assert str(error.value).endswith(f"It is written like `{EXAMPLE}`")


def test_all_that_is_wrong_is_said_together() -> None:
    with pytest.raises(RulesError, match=r"deny b.*is a URL.*names nothing"):
        Rules.parse("deny b; allow http://a.example; refuse")


def test_a_range_may_contain_what_it_does_not_open() -> None:
    assert Rules.parse("allow 0.0.0.0/0 ::/0").entries
