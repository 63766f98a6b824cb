"""Variables in a run config, expanded as llama-stack does, with nothing lost on the way."""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from distribution.verification.findings import KeyPath

REFERENCE = re.compile(r"\${env\.([A-Z0-9_]+)(?::([=+])([^}]*))?}")
LOOKS_LIKE_A_REFERENCE = re.compile(r"\$\{[^}]*\}?|\$env\.\w+")
DISABLED = "__disabled__"
TRUE_OR_FALSE = {"true": True, "false": False}


@dataclass(frozen=True)
class Reference:
    """One ${env.NAME...}: `operator` is "" (needed), "=" (with a default) or "+" (a value if set)."""

    name: str
    operator: str
    default: str = ""


@dataclass
class Expansion:
    """The expanded data; it keeps the places of the original, switched-off list items included."""

    data: Any = None
    # Which references each expanded value came from.
    references: dict[KeyPath, list[Reference]] = field(default_factory=dict)
    # Variables without a value that are needed, by the place that needs them.
    unset: list[tuple[KeyPath, str]] = field(default_factory=list)
    # Values that only the target's environment can tell.
    unknown: set[KeyPath] = field(default_factory=set)
    # Values with something in them that only looks like a variable; what they would be if it were one, nobody knows.
    malformed: set[KeyPath] = field(default_factory=set)
    # List items that llama-stack drops because their provider_id is `__disabled__`.
    dropped: set[KeyPath] = field(default_factory=set)

    def is_unknown(self, path: KeyPath) -> bool:
        """Tell whether a value, or something around or inside it, is unknown."""
        uncertain = self.unknown | self.malformed
        return any(path[: len(known)] == known or known[: len(path)] == path for known in uncertain)


def expand(data: Any, environment: Mapping[str, str] | None) -> Expansion:
    """Expand all variables. Without an environment, defaults count as given and the rest is unknown."""
    expansion = Expansion()
    expansion.data = _expand(data, (), environment, expansion)
    return expansion


def _expand(value: Any, path: KeyPath, environment: Mapping[str, str] | None, result: Expansion) -> Any:
    if isinstance(value, dict):
        return {key: _expand(item, (*path, str(key)), environment, result) for key, item in value.items()}
    if isinstance(value, list):
        return [_expand_item(item, (*path, index), environment, result) for index, item in enumerate(value)]
    if isinstance(value, str):
        return _expand_text(value, path, environment, result)
    return value


def _expand_item(item: Any, path: KeyPath, environment: Mapping[str, str] | None, result: Expansion) -> Any:
    if isinstance(item, dict) and isinstance(item.get("provider_id"), str):
        attempt = Expansion()
        provider_id = _expand_text(item["provider_id"], path, environment, attempt)
        if provider_id == DISABLED:
            result.dropped.add(path)
            result.references[(*path, "provider_id")] = attempt.references.get(path, [])
            return {**item, "provider_id": DISABLED}
    return _expand(item, path, environment, result)


def _expand_text(text: str, path: KeyPath, environment: Mapping[str, str] | None, result: Expansion) -> Any:
    references = list(references_in(text))
    if malformed_in(text):
        result.malformed.add(path)
    if not references:
        return text
    result.references[path] = references
    if environment is None:
        if any(not reference.default for reference in references):
            result.unknown.add(path)
        environment = {}
    unset = dict.fromkeys(
        reference.name for reference in references if not reference.operator and not environment.get(reference.name)
    )
    if unset:
        if path not in result.unknown:
            result.unset += [(path, name) for name in unset]
            result.unknown.add(path)
        return text
    return converted(text, environment)


def references_in(text: str) -> Iterator[Reference]:
    """Yield every reference to a variable in the text."""
    for match in REFERENCE.finditer(text):
        operator = match[2] or ""
        yield Reference(match[1], operator, match[3] if operator == "=" else "")


def malformed_in(text: str) -> list[str]:
    """Return what was meant as a reference to a variable and is none for llama-stack."""
    return LOOKS_LIKE_A_REFERENCE.findall(REFERENCE.sub("", text))


def converted(text: str, environment: Mapping[str, str]) -> Any:
    """Expand a text whose needed variables are all set, and convert the result as llama-stack does.

    "" becomes None, true and false become booleans, what reads as a number becomes one.
    """

    def replace(match: re.Match[str]) -> str:
        current = environment.get(match[1], "")
        if match[2] == "=":
            chosen = current or match[3]
        elif match[2] == "+":
            chosen = match[3] if current else ""
        else:
            chosen = current
        return os.path.expanduser(chosen)

    expanded = REFERENCE.sub(replace, text)
    if expanded == text:
        return text
    if expanded == "":
        return None
    if expanded.lower() in TRUE_OR_FALSE:
        return TRUE_OR_FALSE[expanded.lower()]
    for number in (int, float):
        try:
            return number(expanded)
        except ValueError:
            pass
    return expanded
