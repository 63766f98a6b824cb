"""Places on disk where the config wants state to be written: can this user write there?"""

import os
import shutil
import stat
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from distribution.verification.checks.storage import is_used
from distribution.verification.findings import Finding, KeyPath
from distribution.verification.resolution import Resolution, Resolved
from distribution.verification.subject import Subject

ENOUGH_BYTES = 100 * 1024 * 1024


@dataclass(frozen=True)
class Place:
    """A directory that the server writes to, a file in it if it is one, and where the config says so."""

    directory: Path
    path: KeyPath
    file: Path | None = None


def check(subject: Subject, resolution: Resolution) -> Iterator[Finding]:
    """Find places that cannot be written, and disks that are almost full; on the machine that is to serve only."""
    if not subject.target.here:
        return
    places = [*_backend_places(subject), *_provider_places(resolution.working)]
    places = [place for place in places if not subject.expansion.is_unknown(place.path)]
    sharing: dict[Path, list[Place]] = defaultdict(list)
    for place in places:
        sharing[place.directory].append(place)
    for first, *others in sharing.values():
        yield from _directory(subject, first, others)
    for place in places:
        # What lies below a directory that this user may not search is not a file for os.path; that is said above.
        if place.file and os.path.isfile(place.file) and not os.access(place.file, os.R_OK | os.W_OK):
            yield subject.finding(
                "directory-not-writable",
                place.path,
                f"{place.file} cannot be written: {_who_and_what(place.file)}.",
                "Another uid made the file. Give it to this one, with fsGroup or `chmod g+rw` on the volume.",
            )


def _backend_places(subject: Subject) -> Iterator[Place]:
    for name, backend in subject.mapping("storage", "backends").items():
        value = backend.get("db_path") if isinstance(backend, dict) else None
        if not isinstance(value, str) or not is_used(subject, str(name)):
            continue
        if ":memory:" in value or value.startswith("file:"):
            continue
        # As upstream does: only the SQL store expands `~`.
        file = Path(os.path.expanduser(value) if backend.get("type") == "sql_sqlite" else value)
        yield Place(file.parent, ("storage", "backends", str(name), "db_path"), file)


def _provider_places(resolved: list[Resolved]) -> Iterator[Place]:
    for found in resolved:
        for fields, is_directory in ((found.traits.directories, True), (found.traits.files, False)):
            for name in fields:
                value = found.provider.config.get(name)
                if isinstance(value, str) and value:
                    path, place = (*found.provider.path, "config", name), Path(value)
                    yield Place(place, path) if is_directory else Place(place.parent, path, place)


def _directory(subject: Subject, place: Place, others: list[Place]) -> Iterator[Finding]:
    try:
        existing, is_hidden = _nearest_existing(place.directory)
        problem = _why_not_writable(place.directory, existing, is_hidden=is_hidden)
        free = shutil.disk_usage(existing).free
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


def _nearest_existing(directory: Path) -> tuple[Path, bool]:
    """Return the directory, or the nearest above it that is there, and whether what is below may not be looked at."""
    candidate = directory if directory.is_absolute() else Path.cwd() / directory
    is_hidden = False
    while candidate != candidate.parent:
        try:
            candidate.lstat()
            break
        except PermissionError:
            is_hidden = True
        except OSError:
            pass
        candidate = candidate.parent
    return candidate, is_hidden


def _why_not_writable(directory: Path, existing: Path, *, is_hidden: bool) -> str | None:
    if is_hidden:
        return f"it may not be searched for: {_who_and_what(existing)}"
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
        if existing != directory:
            return f"it is not there, and nothing can be made in {existing}: {(error.strerror or str(error)).lower()}"
        return (error.strerror or str(error)).lower()


def _who_and_what(path: Path) -> str:
    status = path.stat()
    return (
        f"this process is uid {os.getuid()}, gid {os.getgid()}, and {path} belongs to "
        f"{status.st_uid}:{status.st_gid} with mode {stat.S_IMODE(status.st_mode):04o}"
    )


def _how_to_make_writable(directory: Path) -> str:
    if directory.parts[:1] == ("~",):
        return "llama-stack does not expand `~` here. Write the whole path, below /data in this image."
    return (
        "Mount a volume there (in Kubernetes with `securityContext.fsGroup`), or write below /data, which "
        "this image keeps for state: SQLITE_STORE_DIR=/data where the config reads it."
    )
