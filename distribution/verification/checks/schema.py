"""The run config against llama-stack's own model of it."""

from collections.abc import Iterator
from typing import Any

from distribution.upstream import version
from distribution.upstream.run_config import IGNORED_TOP_LEVEL_KEYS, RunConfig
from distribution.verification import config_models
from distribution.verification.findings import Finding, KeyPath, Severity, dotted
from distribution.verification.resolution import Resolution
from distribution.verification.subject import Subject
from providers.authentication.config import is_off, without_empty_fields

ACCESS_CONDITIONS = (
    "`user is [not] owner`, `resource is unowned`, `user with VALUE [not] in ATTRIBUTE`, "
    "`user [not] in owners ATTRIBUTE`"
)


def check(subject: Subject, _: Resolution) -> Iterator[Finding]:
    """Find fields that are missing, of the wrong type or unknown."""
    data, kept = _as_llama_stack_sees_it(subject)
    _, faults = config_models.build(RunConfig, data)
    for fault in faults:
        path = _in_the_file(fault.path, kept)
        if "storage.stores." in fault.problem:
            continue  # the checks of storage say it with its line
        if not (subject.is_explained(path) or subject.expansion.is_unknown(path)):
            yield describe(subject, path, fault)
    yield from _unknown_keys(subject, data, kept)
    yield from _version(subject)


def describe(
    subject: Subject, path: KeyPath, fault: config_models.FieldFault, what_to_add: str | None = None
) -> Finding:
    """Say in words what is wrong with a field; `what_to_add` advises where it is missing."""
    name = dotted(path)
    if fault.missing:
        return subject.finding("missing-field", path, f"`{name}` is missing.", what_to_add or f"Add `{path[-1]}`.")
    if not path:
        return subject.finding("invalid-value", path, f"The run config {fault.problem}.", "Correct it.")
    return subject.finding("invalid-value", path, f"`{name}` {fault.problem}.", _advice(subject, path, fault.problem))


def _advice(subject: Subject, path: KeyPath, problem: str) -> str:
    if "invalid condition" in problem:
        return f"Conditions of llama-stack {version.llama_stack()}: {ACCESS_CONDITIONS}."
    references = subject.expansion.references.get(path)
    if not references:
        nothing = {"has to be a list, and is empty": "[]", "has to be a mapping, and is empty": "{}"}.get(problem)
        return f"Write `{nothing}` for none." if nothing else "Correct the value."
    names = " or ".join(dict.fromkeys(reference.name for reference in references))
    environment = subject.target.environment or {}
    given = [
        name for name in dict.fromkeys(one.name for one in references if one.operator == "+") if environment.get(name)
    ]
    if len(given) > 1:
        return f"The value is put together, since {' and '.join(given)} are set. Unset all but one."
    if "has to be text" in problem and problem.endswith(("a number", "true or false")):
        return (
            f"The value comes from {names}. llama-stack turns text that reads as a number or boolean into one, so "
            f"give {names} a value with another character in it."
        )
    if problem.endswith("is empty"):
        return f"The value comes from {names}, which is unset. Set {names}, or give it a default."
    return f"The value comes from {names}. Correct it there."


def _as_llama_stack_sees_it(subject: Subject) -> tuple[dict[str, Any], dict[KeyPath, list[int]]]:
    """Return the data without the dropped list items, and for each list which of its items are left."""
    kept: dict[KeyPath, list[int]] = {}

    def copy(value: Any, path: KeyPath) -> Any:
        if isinstance(value, dict):
            return {key: copy(item, (*path, str(key))) for key, item in value.items()}
        if isinstance(value, list):
            kept[path] = [index for index in range(len(value)) if (*path, index) not in subject.expansion.dropped]
            return [copy(value[index], (*path, index)) for index in kept[path]]
        return value

    data = {str(key): value for key, value in copy(subject.data, ()).items()}
    server = data.get("server")
    auth = server.get("auth") if isinstance(server, dict) else None
    if isinstance(server, dict) and isinstance(auth, dict) and "provider_config" in auth:
        provider = auth["provider_config"]
        provider = None if is_off(provider) else without_empty_fields(provider)
        data["server"] = {**server, "auth": {**auth, "provider_config": provider}}
    if data.get("image_name") is not None:
        data["image_name"] = str(data["image_name"])
    return data, kept


def _in_the_file(path: KeyPath, kept: dict[KeyPath, list[int]]) -> KeyPath:
    """Translate a path of what llama-stack sees into one of the file."""
    translated: KeyPath = ()
    for step in path:
        indices = kept.get(translated)
        if isinstance(step, int) and indices and step < len(indices):
            step = indices[step]
        translated = (*translated, step)
    return translated


def _unknown_keys(subject: Subject, data: dict[str, Any], kept: dict[KeyPath, list[int]]) -> Iterator[Finding]:
    for unknown in config_models.unknown_keys(RunConfig, data):
        path = _in_the_file(unknown.path, kept)
        if subject.is_explained(path) or path == ("logging_config",):
            continue
        yield unknown_key(subject, path, unknown.near)
    for key, instead in IGNORED_TOP_LEVEL_KEYS.items():
        if key in subject.data:
            yield subject.finding(
                "ignored-key",
                (key,),
                f"`{key}:` is not read by llama-stack {version.llama_stack()}, although its documentation has it.",
                f"Call it `{instead}:`.",
                at_key=True,
            )


def unknown_key(subject: Subject, path: KeyPath, near: str | None, severity: Severity | None = None) -> Finding:
    """Say that nobody reads a key."""
    return subject.finding(
        "unknown-key",
        path,
        f"Nobody reads `{dotted(path)}`.",
        f"Did you mean `{near}`?" if near else "Remove it, or correct its name.",
        severity=severity,
        at_key=True,
    )


def _version(subject: Subject) -> Iterator[Finding]:
    written = subject.get("version")
    if written is not None and str(written) != "2":
        yield subject.finding(
            "ignored-key",
            ("version",),
            f"`version` is {written!r}; llama-stack {version.llama_stack()} writes and reads version 2.",
            f"If the rest is as llama-stack {version.llama_stack()} wants it, write `version: 2`.",
        )
