"""Variables: those that are missing, those that come from files, and what only looks like one."""

import re
from collections.abc import Iterator
from typing import Any

from distribution.verification.expansion import REFERENCE, malformed_in
from distribution.verification.findings import Finding, KeyPath, Severity
from distribution.verification.resolution import Resolution
from distribution.verification.subject import Subject


def check(subject: Subject, _: Resolution) -> Iterator[Finding]:
    """Find every variable that has no value, and every text that was meant as a variable and is none."""
    for path, name in subject.expansion.unset:
        yield subject.finding(
            "unset-variable",
            path,
            f"The variable {name} is not set, or empty.{_although_off(subject, path)}",
            f"Set {name}, or {name}_FILE to the path of a file that holds it, or write `${{env.{name}:=VALUE}}` for a "
            f"default (`${{env.{name}:=}}` for none).",
        )
    yield from _files(subject)
    for path, text in _texts(subject.document.data, ()):
        dropped = any(path[: len(item)] == item for item in subject.expansion.dropped)
        if not (dropped or subject.is_obsolete(path)):
            yield from _malformed(subject, path, text)


def _files(subject: Subject) -> Iterator[Finding]:
    for name, problem in subject.files.problems.items():
        yield subject.finding("variable-file", _first_place(subject, name), str(problem), problem.advice)
    for name, file in subject.files.unread.items():
        yield subject.finding(
            "variable-file",
            _first_place(subject, name),
            f"{name} is what the file {file} holds, which only the target has.",
            "Whether the file is there and what is in it was not looked at.",
            severity=Severity.INFO,
        )


def _first_place(subject: Subject, name: str) -> KeyPath:
    places = (
        path for path, references in subject.expansion.references.items() for one in references if one.name == name
    )
    return next(places, ())


def _although_off(subject: Subject, path: KeyPath) -> str:
    for provider in subject.providers:
        if path[: len(provider.path)] == provider.path and provider in subject.enabled_providers:
            return ""
        if path[: len(provider.path)] == provider.path:
            return " llama-stack wants it even though this provider is switched off."
    return ""


def _texts(value: Any, path: KeyPath) -> Iterator[tuple[KeyPath, str]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _texts(item, (*path, str(key)))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _texts(item, (*path, index))
    elif isinstance(value, str):
        yield path, value


def _malformed(subject: Subject, path: KeyPath, text: str) -> Iterator[Finding]:
    for match in REFERENCE.finditer(text):
        if "${" in (match[3] or ""):
            yield subject.finding(
                "malformed-variable",
                path,
                f"`{text}` has one variable inside another, which llama-stack does not expand.",
                "Set the outer variable where the inner one is set, and give it a plain default.",
            )
            return
    for written in malformed_in(text):
        yield _no_variable(subject, path, written)


def _no_variable(subject: Subject, path: KeyPath, written: str) -> Finding:
    name = re.sub(r"^\$\{?(env\.)?", "", written)
    name = re.split(r"[^A-Za-z0-9_]", name)[0].upper() or "NAME"
    return subject.finding(
        "malformed-variable",
        path,
        f"`{written}` is no variable for llama-stack: it stays as it is.",
        f"Write `${{env.{name}}}`, `${{env.{name}:=DEFAULT}}` or `${{env.{name}:+VALUE_IF_SET}}`; names "
        "are of capital letters, digits and underscores.",
        # Without `env.` it may be meant for somebody else.
        severity=None if "env." in written else Severity.WARNING,
    )
