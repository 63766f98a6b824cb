"""What to write where a provider's config lacks something."""

from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from distribution.overlay import facts
from distribution.verification import models
from distribution.verification.subject import ConfiguredProvider, Subject


def for_missing(subject: Subject, provider: ConfiguredProvider, name: str, field: FieldInfo | None) -> str:
    """Advise what to add for a field of a provider's config."""
    if field is None:
        return f"Add `{name}`."
    annotation = models.without_none(field.annotation)
    if value := _value(subject, provider, annotation):
        return f"Add `{name}: {value}`."
    description = (field.description or "").strip().rstrip(".")
    may_be_empty = "; it may be empty" if annotation is not field.annotation and field.is_required() else ""
    return f"Add `{name}`" + (f" ({description}{may_be_empty})." if description else ".")


def backend_of(subject: Subject, kind: str) -> str:
    """Return the name of a storage backend of a kind (kv, sql): one of the config's, or the usual name."""
    for name, backend in subject.mapping("storage", "backends").items():
        if isinstance(backend, dict) and str(backend.get("type")).startswith(f"{kind}_"):
            return str(name)
    return f"{kind}_default"


def _value(subject: Subject, provider: ConfiguredProvider, annotation: Any) -> str | None:
    """Write a reference to a storage backend, or several below one field; None for anything else."""
    if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
        return None
    of_type = provider.provider_type.rpartition("::")[2]
    if issubclass(annotation, facts.KeyValueReference):
        return f"{{backend: {backend_of(subject, 'kv')}, namespace: {provider.api}::{of_type}}}"
    if issubclass(annotation, facts.SqlReference):
        table = f"{provider.api}_{of_type}".replace("-", "_")
        return f"{{backend: {backend_of(subject, 'sql')}, table_name: {table}}}"
    parts = {
        name: _value(subject, provider, models.without_none(field.annotation))
        for name, field in annotation.model_fields.items()
        if field.is_required()
    }
    if not parts or None in parts.values():
        return None
    return "{" + ", ".join(f"{name}: {value}" for name, value in parts.items()) + "}"
