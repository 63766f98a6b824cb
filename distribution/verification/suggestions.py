"""What to write where a provider, or something in its config, is missing."""

from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from distribution.upstream.provider_registry import ProviderSpec, import_implementation, registry, shipped_types
from distribution.upstream.storage import KeyValueReference, SqlReference
from distribution.verification import config_models
from distribution.verification.subject import ConfiguredProvider, Subject


def for_missing(subject: Subject, provider: ConfiguredProvider, name: str, field: FieldInfo | None) -> str:
    """Advise what to add for a field of a provider's config."""
    if field is None:
        return f"Add `{name}`."
    annotation = config_models.without_none(field.annotation)
    if value := _value(subject, provider.api, provider.provider_type, annotation):
        return f"Add `{name}: {value}`."
    description = (field.description or "").strip().rstrip(".")
    may_be_empty = "; it may be empty" if annotation is not field.annotation and field.is_required() else ""
    return f"Add `{name}`" + (f" ({description}{may_be_empty})." if description else ".")


def entry(subject: Subject, api: str) -> str | None:
    """Write an entry for `providers.API`, of the first type shipped for it that needs nothing of outside."""
    for provider_type in shipped_types(api):
        spec = registry().get(api, {}).get(provider_type)
        if spec and provider_type.startswith("inline::"):
            needed = {name: field for name, field in _fields(spec).items() if field.is_required()}
            values = {name: _field(subject, api, provider_type, name, field) for name, field in needed.items()}
            if None not in values.values():
                config = ", ".join(f"{name}: {value}" for name, value in values.items())
                name = provider_type.rpartition("::")[2]
                return f"{{provider_id: {name}, provider_type: {provider_type}, config: {{{config}}}}}"
    return None


def _fields(spec: ProviderSpec) -> dict[str, FieldInfo]:
    try:
        return dict(getattr(import_implementation(spec), "model_fields", {}))
    except Exception:  # the checks of a provider that is configured say what is wrong with it
        return {}


def _field(subject: Subject, api: str, provider_type: str, name: str, field: FieldInfo) -> str | None:
    if field.annotation is str and name.endswith("_dir"):
        return f"/data/{api}"
    return _value(subject, api, provider_type, config_models.without_none(field.annotation))


def backend_of(subject: Subject, kind: str) -> str:
    """Return the name of a storage backend of a kind (kv, sql): one of the config's, or the usual name."""
    for name, backend in subject.mapping("storage", "backends").items():
        if isinstance(backend, dict) and str(backend.get("type")).startswith(f"{kind}_"):
            return str(name)
    return f"{kind}_default"


def _value(subject: Subject, api: str, provider_type: str, annotation: Any) -> str | None:
    """Write a reference to a storage backend, or several below one field; None for anything else."""
    if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
        return None
    of_type = provider_type.rpartition("::")[2]
    if issubclass(annotation, KeyValueReference):
        return f"{{backend: {backend_of(subject, 'kv')}, namespace: {api}::{of_type}}}"
    if issubclass(annotation, SqlReference):
        table = f"{api}_{of_type}".replace("-", "_")
        return f"{{backend: {backend_of(subject, 'sql')}, table_name: {table}}}"
    parts = {
        name: _value(subject, api, provider_type, config_models.without_none(field.annotation))
        for name, field in annotation.model_fields.items()
        if field.is_required()
    }
    if not parts or None in parts.values():
        return None
    return "{" + ", ".join(f"{name}: {value}" for name, value in parts.items()) + "}"
