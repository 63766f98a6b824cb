"""The config of each provider against the provider's own config class."""

from collections.abc import Iterator

from distribution.verification import config_models, suggestions
from distribution.verification.checks import schema
from distribution.verification.findings import Finding, KeyPath, Severity
from distribution.verification.resolution import Resolution, Resolved, needed_but_empty
from distribution.verification.subject import Subject


def check(subject: Subject, resolution: Resolution) -> Iterator[Finding]:
    """Find fields that are missing, of the wrong type or unknown, of misspelt provider types too."""
    for found in resolution.providers:
        if found.works:
            yield from _config(subject, found)
        elif found.meant:
            yield from _config(subject, found.meant)


def _config(subject: Subject, found: Resolved) -> Iterator[Finding]:
    config_path = (*found.provider.path, "config")
    for fault in found.faults:
        path = (*config_path, *fault.path)
        if subject.is_explained(path) or subject.expansion.is_unknown(path):
            continue
        if not fault.path:
            yield subject.finding(
                "invalid-value",
                config_path,
                f"{found.provider.provider_type}: the config {fault.problem}.",
                "Correct the config.",
                at_key=True,
            )
        else:
            yield schema.describe(subject, path, fault, _what_to_add(subject, found, str(fault.path[-1]), fault.path))
    for name, path in needed_but_empty(subject, found):
        if not subject.is_explained(path):
            missing = name not in found.provider.config
            fault = config_models.FieldFault((), "has to be given, and is empty", missing=missing)
            yield schema.describe(subject, path, fault, _what_to_add(subject, found, name, (name,)))
    is_model = hasattr(found.config_class, "model_fields")
    for key in found.unknown_keys:
        path = (*config_path, *key.path)
        if not subject.is_explained(path):
            yield schema.unknown_key(subject, path, key.near, None if is_model else Severity.ERROR)


def _what_to_add(subject: Subject, found: Resolved, name: str, path: KeyPath) -> str:
    field = config_models.field_at(found.config_class, path)
    return suggestions.for_missing(subject, found.provider, name, field)
