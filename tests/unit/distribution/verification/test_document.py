"""YAML with positions."""

import pytest

from distribution.verification.document import Position, Source, load

TEXT = """\
version: 2
providers:
  inference:
  - provider_id: vllm
    config: {url: 'http://vllm', retries: 3}
storage: &shared
  backends: {}
again: *shared
"""


def codes(text: str) -> list[tuple[str, int]]:
    return [(found.code, found.line) for found in load(Source(text, "run.yaml"))[1]]


def test_everything_knows_where_it_is() -> None:
    document, findings = load(Source(TEXT, "run.yaml"))
    assert document is not None
    assert findings == []
    assert document.position(("version",)) == Position(1, 10)
    assert document.position(("providers",)) == Position(2, 1)
    assert document.position(("providers", "inference", 0)) == Position(4, 5)
    assert document.position(("providers", "inference", 0, "provider_id")) == Position(4, 18)
    assert document.key_position(("providers", "inference", 0, "provider_id")) == Position(4, 5)
    assert document.position(("providers", "inference", 0, "config", "retries")) == Position(5, 43)


def test_what_is_not_there_is_where_it_would_be() -> None:
    document, _ = load(Source(TEXT, "run.yaml"))
    assert document is not None
    assert document.position(("providers", "inference", 0, "config", "token", "deeper")) == Position(5, 5)
    assert document.position(("nothing",)) == Position(1, 1)


def test_data_is_what_safe_load_makes_of_it() -> None:
    document, _ = load(Source(TEXT, "run.yaml"))
    assert document is not None
    assert document.data["again"] == {"backends": {}}
    assert document.data["providers"]["inference"][0]["config"]["retries"] == 3


def test_merge_keys_are_no_duplicates() -> None:
    assert codes("a: &a {x: 1}\nb:\n  <<: *a\n  x: 2\n") == []


def test_every_duplicate_is_named() -> None:
    assert codes("a: 1\na: 2\nb:\n- c: 1\n  c: 2\n") == [("yaml-duplicate-key", 2), ("yaml-duplicate-key", 5)]


def test_every_line_with_a_tab_is_named() -> None:
    assert codes("a:\n\tb: 1\n\tc: 1\n") == [("yaml-tab", 2), ("yaml-tab", 3)]


@pytest.mark.parametrize(
    ("text", "code", "line"),
    [
        ("a: [1\nb: 2\n", "yaml-syntax", 2),
        ("a: 1\n---\nb: 2\n", "yaml-syntax", 2),
        ("a: !!python/object:os.system {}\n", "yaml-syntax", 1),
        ("? [a]\n: 1\n", "yaml-syntax", 1),
        ("when: 2025-02-31\n", "yaml-syntax", 1),
        ("a: &a\n- *a\n", "not-a-run-config", 2),
        ("[" * 100 + "]" * 100, "not-a-run-config", 1),
        ("- " * 5000 + "a", "not-a-run-config", 1),
    ],
)
def test_what_is_no_config_is_refused(text: str, code: str, line: int) -> None:
    document, findings = load(Source(text, "run.yaml"))
    assert document is None
    assert [(found.code, found.line) for found in findings] == [(code, line)]


def test_aliases_that_multiply_are_refused_before_they_are_built() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    document, findings = load(Source("\n".join(lines), "run.yaml"))
    assert document is None
    assert "more than 100,000 values" in findings[0].message
