"""The run config as the server has it: variables expanded, what is off left out, secrets masked."""

from dataclasses import replace
from typing import Any

import yaml

from distribution.verification.document import Source, load
from distribution.verification.expansion import DISABLED
from distribution.verification.known_names import known_names
from distribution.verification.masking import Masker
from distribution.verification.subject import Subject, Target
from providers.authentication.config import is_off, without_empty_fields

_SWITCHES = ("provider_id", "model_id", "provider_model_id", "shield_id")
"""The keys of an entry that is off where one of them has come out empty, as llama-stack has it."""


def effective_config(source: Source, target: Target) -> str:
    """Return the YAML of a run config that has been verified. Where nobody knows the environment it counts as empty."""
    document, _ = load(source)
    if document is None:
        raise ValueError(f"{source.file} holds no run config")
    subject = Subject(document, replace(target, environment=target.environment or {}))
    masker = Masker([document.data, subject.data], subject.secret_sources, known_names(subject))
    return yaml.safe_dump(masker.data(_without_what_is_off(subject)), sort_keys=False, allow_unicode=True, width=10_000)


def _without_what_is_off(subject: Subject) -> dict[str, Any]:
    data: dict[str, Any] = _entries_that_are_on(subject.data)
    on: dict[str, list[Any]] = {}
    for provider in subject.enabled_providers:
        on.setdefault(provider.api, []).append(subject.get(*provider.path))
    if "providers" in data:
        data["providers"] = on
    auth = subject.mapping("server", "auth")
    if "provider_config" in auth:
        given = auth["provider_config"]
        kept = {} if is_off(given) else {"provider_config": without_empty_fields(given)}
        others = {name: value for name, value in auth.items() if name != "provider_config"}
        data["server"] = {**data["server"], "auth": {**kept, **others}}
    return data


def _entries_that_are_on(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _entries_that_are_on(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_entries_that_are_on(item) for item in value if not _is_off(item)]
    return value


def _is_off(entry: Any) -> bool:
    return isinstance(entry, dict) and any(key in entry and entry[key] in (DISABLED, "", None) for key in _SWITCHES)
