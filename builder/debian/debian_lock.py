"""requirements/debian.lock: the exact Debian packages of the base, one a line, for every platform."""

import dataclasses
import hashlib
from pathlib import Path

import requests

from builder import paths, platforms
from builder.debian import index
from builder.debian.index import Package
from builder.debian.mirrors import Mirrors
from builder.errors import UserFileError

_ADVICE = "run: python build.py lock"
_FIELDS = [field.name for field in dataclasses.fields(Package)]


def load(architecture: str, lock: Path = paths.DEBIAN_LOCK, names: Path = paths.DEBIAN_INPUTS) -> list[Package]:
    """The locked packages of one architecture. Refuses a lock made from another list of names."""
    try:
        lines = lock.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError as error:
        raise UserFileError(lock, "the lock is missing", _ADVICE) from error
    if f"# inputs: {_digest(package_names(names))}" not in lines:
        raise UserFileError(lock, f"the lock is older than {paths.shown(names)}", _ADVICE)
    packages = []
    for number, line in enumerate(lines, start=1):
        if not line or line.startswith("#"):
            continue
        values = dict(zip(_FIELDS, line.split(), strict=False))
        if len(values) != len(_FIELDS) or not values["size"].isdigit():
            raise UserFileError(lock, f"expected {' '.join(_FIELDS)}", _ADVICE, line=number)
        if values["architecture"] == architecture:
            packages.append(Package(**{**values, "size": int(values["size"])}))  # type: ignore[arg-type]
    return packages


def write(http: requests.Session, mirrors: Mirrors, lock: Path = paths.DEBIAN_LOCK) -> list[Package]:
    """Look up the current version of every named package and write the lock."""
    names = package_names(paths.DEBIAN_INPUTS)
    packages = []
    for platform in platforms.ALL:
        packages += index.current(http, mirrors, names, platform.architecture)
    lines = [
        "# Written by `build.py lock`; change requirements/debian.in and run it again.",
        f"# inputs: {_digest(names)}",
        f"# {' '.join(_FIELDS)}",
        *(" ".join(str(value) for value in dataclasses.astuple(package)) for package in packages),
    ]
    draft = lock.with_suffix(".draft")
    draft.write_text("\n".join(lines) + "\n", encoding="utf-8")
    draft.replace(lock)
    return packages


def versions(lock: Path = paths.DEBIAN_LOCK) -> dict[str, str]:
    """Package name with architecture -> locked version; empty where there is no lock yet."""
    if not lock.is_file():
        return {}
    rows = [line.split() for line in lock.read_text(encoding="utf-8").splitlines() if line[:1] not in ("", "#")]
    return {f"{name}:{architecture}": version for architecture, name, version, *_ in rows}


def package_names(path: Path) -> list[str]:
    """The names in a hand-written list, without comments."""
    lines = (line.split("#")[0].strip() for line in path.read_text(encoding="utf-8").splitlines())
    return sorted(line for line in lines if line)


def _digest(names: list[str]) -> str:
    return "sha256:" + hashlib.sha256("\n".join(names).encode()).hexdigest()
