"""What a server says of itself when it starts: what it is, what it serves, where its state is, who is let in."""

import platform
from collections.abc import Iterator
from itertools import groupby
from typing import Any

from distribution.upstream import version
from distribution.verification.subject import Subject
from distribution.verification.verify import Verdict

PLACES = ("db_path", "host", "port", "db")
"""The keys that say where a backend of storage is, none of them a secret."""


def lines(subject: Subject, verdict: Verdict) -> Iterator[str]:
    """Yield the lines of a config that has been verified."""
    yield f"llama-stack {version.llama_stack()} on Python {platform.python_version()}"
    if verdict.providers:
        yield f"providers: {'; '.join(_providers(verdict))}"
    if state := list(_state(subject)):
        yield f"state: {'; '.join(state)}"
    yield f"authentication: {_authentication(subject)}; telemetry: {_telemetry(subject)}"


def _providers(verdict: Verdict) -> Iterator[str]:
    for api, providers in groupby(sorted(verdict.providers, key=lambda one: one.api), key=lambda one: one.api):
        yield f"{api} {', '.join(one.provider_id for one in providers)}"


def _state(subject: Subject) -> Iterator[str]:
    """The backends that something refers to."""
    used = set(_backends_in(subject.mapping("storage", "stores")))
    for provider in subject.enabled_providers:
        used.update(_backends_in(provider.config))
    for name, backend in subject.mapping("storage", "backends").items():
        if name in used and isinstance(backend, dict):
            where = " ".join(str(backend[key]) for key in PLACES if backend.get(key))
            yield f"{name} {backend.get('type')} {where}".rstrip()


def _backends_in(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, item in value.items():
            if key == "backend" and isinstance(item, str):
                yield item
            else:
                yield from _backends_in(item)


def _authentication(subject: Subject) -> str:
    kind = subject.get("server", "auth", "provider_config", "type")
    return str(kind) if kind else "off"


def _telemetry(subject: Subject) -> str:
    return "on" if subject.get("telemetry", "enabled") is True else "off"
