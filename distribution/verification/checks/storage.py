"""Storage: backends, and the references to them from stores, providers and the quota."""

import importlib.util
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from distribution.upstream.storage import (
    BACKEND_DRIVERS,
    BACKEND_TYPES,
    REQUIRED_STORES,
    KeyValueReference,
    SqlReference,
)
from distribution.verification import suggestions
from distribution.verification.config_models import nearest
from distribution.verification.findings import Finding, KeyPath
from distribution.verification.resolution import Resolution, Resolved
from distribution.verification.subject import Subject
from providers.completions.settings import Settings, SettingsError


def check(subject: Subject, resolution: Resolution) -> Iterator[Finding]:
    """Find stores that are missing, references that lead nowhere, and drivers that are not there."""
    yield from _stores(subject)
    for found in resolution.working:
        yield from _references_of(subject, found)
    quota = subject.get("server", "quota", "kvstore")
    yield from _reference(subject, ("server", "quota", "kvstore"), quota, "kv")
    yield from _drivers(subject)
    yield from _completions(subject)


def _completions(subject: Subject) -> Iterator[Finding]:
    try:
        Settings.from_environment(subject.target.environment or {})
    except SettingsError as error:
        yield subject.finding(
            "invalid-value",
            ("storage", "stores", "inference"),
            str(error),
            "Correct it, or leave it out: docs/stored-completions.md says what holds then.",
        )


def _backends(subject: Subject) -> dict[str, str]:
    """Return the type of each backend by its name."""
    return {
        str(name): str(backend.get("type") or "")
        for name, backend in subject.mapping("storage", "backends").items()
        if isinstance(backend, dict)
    }


def _stores(subject: Subject) -> Iterator[Finding]:
    stores = subject.mapping("storage", "stores")
    for name in ("metadata", "inference", "conversations", "responses"):
        path = ("storage", "stores", name)
        yield from _reference(subject, path, stores.get(name), "kv" if name == "metadata" else "sql")
    needed = list(REQUIRED_STORES)
    if "inference" in subject.served_apis or not subject.get("apis"):
        needed.insert(1, "inference")
    for name in needed:
        if stores.get(name) is None and not subject.is_explained(("storage", "stores", name)):
            kind = "kv" if name == "metadata" else "sql"
            field = "namespace: registry" if kind == "kv" else f"table_name: {name}"
            yield subject.finding(
                "missing-field",
                ("storage", "stores", name),
                f"`storage.stores.{name}` is missing; llama-stack does not start without it.",
                f"Add `{name}: {{backend: {suggestions.backend_of(subject, kind)}, {field}}}`.",
            )


def _references_of(subject: Subject, found: Resolved) -> Iterator[Finding]:
    path = (*found.provider.path, "config")
    if found.config is None:
        # Its config has other faults too; go by what the references look like.
        yield from _references_by_shape(subject, found.provider.config, path)
    for place, model in _reference_models(found.config, path):
        kind = "kv" if isinstance(model, KeyValueReference) else "sql"
        yield from _reference(subject, place, {"backend": model.backend}, kind)


def _references_by_shape(subject: Subject, value: Any, path: KeyPath) -> Iterator[Finding]:
    if not isinstance(value, dict):
        return
    if "table_name" in value or "namespace" in value:
        yield from _reference(subject, path, value, "sql" if "table_name" in value else "kv")
    for key, item in value.items():
        yield from _references_by_shape(subject, item, (*path, str(key)))


def _reference_models(value: Any, path: KeyPath) -> Iterator[tuple[KeyPath, Any]]:
    if isinstance(value, KeyValueReference | SqlReference):
        yield path, value
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from _reference_models(getattr(value, name), (*path, name))


def _reference(subject: Subject, path: KeyPath, reference: Any, kind: str) -> Iterator[Finding]:
    backend_path = (*path, "backend")
    if not isinstance(reference, dict) or subject.expansion.is_unknown(backend_path):
        return
    name, backends = reference.get("backend"), _backends(subject)
    if not isinstance(name, str) or subject.is_explained(("storage", "backends")):
        return
    fitting = [backend for backend, type_ in backends.items() if type_.startswith(f"{kind}_")]
    word = "A key-value (kv_*)" if kind == "kv" else "An SQL (sql_*)"
    choice = f"Its backends: {', '.join(fitting)}." if fitting else f"Define one of type {kind}_* in storage.backends."
    if name not in backends:
        near = nearest(name, fitting)
        yield subject.finding(
            "unknown-backend",
            backend_path,
            f"`{name}` is no storage backend of this config.",
            f"Did you mean `{near}`? {choice}" if near else choice,
        )
    elif backends[name] in BACKEND_TYPES and not backends[name].startswith(f"{kind}_"):
        yield subject.finding(
            "wrong-backend-kind",
            backend_path,
            f"{word} backend is needed here, and `{name}` is of type {backends[name]}.",
            choice,
        )


def _drivers(subject: Subject) -> Iterator[Finding]:
    for name, type_ in _backends(subject).items():
        driver = BACKEND_DRIVERS.get(type_)
        if driver and importlib.util.find_spec(driver) is None and is_used(subject, name):
            yield subject.finding(
                "backend-driver",
                ("storage", "backends", name, "type"),
                f"Backends of type {type_} need the Python package `{driver}`, which is not in this image.",
                "Use a backend of another type.",
            )


def is_used(subject: Subject, backend: str) -> bool:
    """Tell whether anything in the config refers to a backend."""

    def names_it(value: Any) -> bool:
        if isinstance(value, dict):
            return value.get("backend") == backend or any(names_it(item) for item in value.values())
        return isinstance(value, list) and any(names_it(item) for item in value)

    return names_it(subject.data)
