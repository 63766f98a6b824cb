"""Storage: backends and the references to them, and the places on disk where state is to be written."""

import importlib.util
import os
import shutil
import stat
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from distribution.overlay import facts
from distribution.verification import suggestions
from distribution.verification.findings import Finding, KeyPath
from distribution.verification.models import nearest
from distribution.verification.providers import Resolved
from distribution.verification.subject import Subject

ENOUGH_BYTES = 100 * 1024 * 1024


@dataclass(frozen=True)
class Place:
    """A directory that the server writes to, a file in it if it is one, and where the config says so."""

    directory: Path
    path: KeyPath
    file: Path | None = None


def check(subject: Subject, resolved: list[Resolved]) -> Iterator[Finding]:
    """Find references that lead nowhere, missing drivers, and places that cannot be written."""
    yield from _stores(subject)
    for found in resolved:
        yield from _references_of(subject, found)
    quota = subject.get("server", "quota", "kvstore")
    yield from _reference(subject, ("server", "quota", "kvstore"), quota, "kv")
    yield from _drivers(subject)
    if subject.target.here:
        yield from _places(subject, resolved)


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
    needed = list(facts.REQUIRED_STORES)
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
        kind = "kv" if isinstance(model, facts.KeyValueReference) else "sql"
        yield from _reference(subject, place, {"backend": model.backend}, kind)


def _references_by_shape(subject: Subject, value: Any, path: KeyPath) -> Iterator[Finding]:
    if not isinstance(value, dict):
        return
    if "table_name" in value or "namespace" in value:
        yield from _reference(subject, path, value, "sql" if "table_name" in value else "kv")
    for key, item in value.items():
        yield from _references_by_shape(subject, item, (*path, str(key)))


def _reference_models(value: Any, path: KeyPath) -> Iterator[tuple[KeyPath, Any]]:
    if isinstance(value, facts.KeyValueReference | facts.SqlReference):
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
    choice = f"There are: {', '.join(fitting)}." if fitting else f"Define one of type {kind}_* in storage.backends."
    if name not in backends:
        near = nearest(name, fitting)
        yield subject.finding(
            "unknown-backend",
            backend_path,
            f"There is no storage backend `{name}`.",
            f"Did you mean `{near}`? {choice}" if near else choice,
        )
    elif backends[name] in facts.BACKEND_TYPES and not backends[name].startswith(f"{kind}_"):
        yield subject.finding(
            "wrong-backend-kind",
            backend_path,
            f"{word} backend is needed here, and `{name}` is of type {backends[name]}.",
            choice,
        )


def _drivers(subject: Subject) -> Iterator[Finding]:
    for name, type_ in _backends(subject).items():
        driver = facts.BACKEND_DRIVERS.get(type_)
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


def _places(subject: Subject, resolved: list[Resolved]) -> Iterator[Finding]:
    places = [*_backend_places(subject), *_provider_places(resolved)]
    places = [place for place in places if not subject.expansion.is_unknown(place.path)]
    sharing: dict[Path, list[Place]] = defaultdict(list)
    for place in places:
        sharing[place.directory].append(place)
    for first, *others in sharing.values():
        yield from _place(subject, first, others)
    for place in places:
        if place.file and place.file.is_file() and not os.access(place.file, os.R_OK | os.W_OK):
            yield subject.finding(
                "directory-not-writable",
                place.path,
                f"{place.file} cannot be written: {_who_and_what(place.file)}.",
                "It was made under another uid. Give it to this one, with fsGroup or `chmod g+rw` on the volume.",
            )


def _backend_places(subject: Subject) -> Iterator[Place]:
    for name, backend in subject.mapping("storage", "backends").items():
        value = backend.get("db_path") if isinstance(backend, dict) else None
        if not isinstance(value, str) or not is_used(subject, str(name)):
            continue
        if ":memory:" in value or value.startswith("file:"):
            continue
        # As upstream does: only the SQL store expands `~`.
        file = Path(value).expanduser() if backend.get("type") == "sql_sqlite" else Path(value)
        yield Place(file.parent, ("storage", "backends", str(name), "db_path"), file)


def _provider_places(resolved: list[Resolved]) -> Iterator[Place]:
    for found in resolved:
        for (provider_type, field), is_directory in facts.PROVIDER_PLACES.items():
            value = found.provider.config.get(field)
            if provider_type == found.provider.provider_type and isinstance(value, str) and value:
                path = (*found.provider.path, "config", field)
                place = Path(value)
                yield Place(place, path) if is_directory else Place(place.parent, path, place)


def _place(subject: Subject, place: Place, others: list[Place]) -> Iterator[Finding]:
    try:
        problem = _why_not_writable(place.directory)
        free = shutil.disk_usage(_nearest_existing(place.directory)).free
    except (OSError, ValueError) as error:
        problem, free = str(error), ENOUGH_BYTES
    if problem:
        yield subject.finding(
            "directory-not-writable",
            place.path,
            f"{place.directory} cannot be written: {problem}.",
            _how_to_make_writable(place.directory) + _also_in(subject, others),
        )
    elif free < ENOUGH_BYTES:
        yield subject.finding(
            "low-disk-space",
            place.path,
            f"{place.directory} has {free // (1024 * 1024)} MB free.",
            "Make the volume larger.",
        )


def _also_in(subject: Subject, others: list[Place]) -> str:
    lines = [str(subject.document.position(other.path).line) for other in others]
    return f" The same directory is in line {' and '.join(lines)}." if lines else ""


def _why_not_writable(directory: Path) -> str | None:
    existing = _nearest_existing(directory)
    try:
        # The only way to know: read-only mounts, full disks and odd file systems look writable.
        with tempfile.TemporaryFile(dir=existing):
            return None
    except NotADirectoryError:
        return f"{existing} is not a directory"
    except PermissionError:
        missing = "" if existing == directory else f"; {directory} is not there and would have to be made"
        return _who_and_what(existing) + missing
    except OSError as error:
        return (error.strerror or str(error)).lower()


def _who_and_what(path: Path) -> str:
    status = path.stat()
    return (
        f"this process is uid {os.getuid()}, gid {os.getgid()}, and {path} belongs to "
        f"{status.st_uid}:{status.st_gid} with mode {stat.S_IMODE(status.st_mode):04o}"
    )


def _nearest_existing(directory: Path) -> Path:
    candidate = directory if directory.is_absolute() else Path.cwd() / directory
    while not os.path.lexists(candidate) and candidate != candidate.parent:
        candidate = candidate.parent
    return candidate


def _how_to_make_writable(directory: Path) -> str:
    if directory.parts[:1] == ("~",):
        return "llama-stack does not expand `~` here. Write the whole path, below /data in this image."
    return (
        "Mount a volume there (in Kubernetes with `securityContext.fsGroup`), or write below /data, which "
        "this image keeps for state: SQLITE_STORE_DIR=/data where the config reads it."
    )
