"""Variables in a run config, expanded as llama-stack does, with nothing lost on the way."""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from distribution.verification.findings import KeyPath
from distribution.verification.variable_files import VariableFiles

REFERENCE = re.compile(r"\${env\.([A-Z0-9_]+)(?::([=+])([^}]*))?}")
LOOKS_LIKE_A_REFERENCE = re.compile(r"\$\{[^}]*\}?|\$env\.\w+")
DISABLED = "__disabled__"
TRUE_OR_FALSE = {"true": True, "false": False}
NO_FILES = VariableFiles()


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


@dataclass(frozen=True)
class _Variables:
    """The environment, None when nobody knows it, and what files give."""

    environment: Mapping[str, str] | None
    files: VariableFiles

    def is_set(self, name: str) -> bool:
        return bool(name in self.files.values or name in self.files.unknown or (self.environment or {}).get(name))


def expand(data: Any, environment: Mapping[str, str] | None, files: VariableFiles = NO_FILES) -> Expansion:
    """Expand all variables. Without an environment, defaults count as given and the rest is unknown."""
    expansion = Expansion()
    expansion.data = _expand(data, (), _Variables(environment, files), expansion)
    return expansion


def _expand(value: Any, path: KeyPath, variables: _Variables, result: Expansion) -> Any:
    if isinstance(value, dict):
        return {key: _expand(item, (*path, str(key)), variables, result) for key, item in value.items()}
    if isinstance(value, list):
        return [_expand_item(item, (*path, index), variables, result) for index, item in enumerate(value)]
    if isinstance(value, str):
        return _expand_text(value, path, variables, result)
    return value


def _expand_item(item: Any, path: KeyPath, variables: _Variables, result: Expansion) -> Any:
    if isinstance(item, dict) and isinstance(item.get("provider_id"), str):
        attempt = Expansion()
        provider_id = _expand_text(item["provider_id"], path, variables, attempt)
        if provider_id == DISABLED:
            result.dropped.add(path)
            result.references[(*path, "provider_id")] = attempt.references.get(path, [])
            return {**item, "provider_id": DISABLED}
    return _expand(item, path, variables, result)


def _expand_text(text: str, path: KeyPath, variables: _Variables, result: Expansion) -> Any:
    references = list(references_in(text))
    if malformed_in(text):
        result.malformed.add(path)
    if not references:
        return text
    result.references[path] = references
    unread = variables.files.unknown
    if any(reference.name in unread and reference.operator != "+" for reference in references):
        result.unknown.add(path)
    if variables.environment is None and any(not reference.default for reference in references):
        result.unknown.add(path)
    unset = dict.fromkeys(
        reference.name for reference in references if not (reference.operator or variables.is_set(reference.name))
    )
    if unset:
        if path not in result.unknown:
            result.unset += [(path, name) for name in unset]
            result.unknown.add(path)
        return text
    # Where it matters only whether a variable is set, any value will do for one that nobody here knows.
    switches = {reference.name: "x" for reference in references if reference.name in unread}
    if path in result.unknown:
        switches = {}
    return converted(text, {**(variables.environment or {}), **switches}, variables.files.values)


def references_in(text: str) -> Iterator[Reference]:
    """Yield every reference to a variable in the text."""
    for match in REFERENCE.finditer(text):
        operator = match[2] or ""
        yield Reference(match[1], operator, match[3] if operator == "=" else "")


def malformed_in(text: str) -> list[str]:
    """Return what was meant as a reference to a variable and is none for llama-stack."""
    return LOOKS_LIKE_A_REFERENCE.findall(REFERENCE.sub("", text))


def converted(text: str, environment: Mapping[str, str], from_files: Mapping[str, str] | None = None) -> Any:
    """Expand a text whose needed variables are all set, and convert the result as llama-stack does.

    "" becomes None, true and false become booleans, what reads as a number becomes one. What comes from a file goes in
    as it is, and then the result is text.
    """
    given = from_files or {}
    is_from_file = False

    def replace(match: re.Match[str]) -> str:
        nonlocal is_from_file
        if match[1] in given and match[2] != "+":
            is_from_file = True
            return given[match[1]]
        current = given.get(match[1]) or environment.get(match[1], "")
        if match[2] == "=":
            chosen = current or match[3]
        elif match[2] == "+":
            chosen = match[3] if current else ""
        else:
            chosen = current
        return os.path.expanduser(chosen)

    expanded = REFERENCE.sub(replace, text)
    if expanded == text or is_from_file:
        return expanded
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
