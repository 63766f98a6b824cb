"""The packages that the locks put into an image, by the names and versions that advisories count by."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from builder import paths
from builder.debian import debian_lock, index
from builder.image_lock import Lock
from builder.platforms import Platform

PYPI = "PyPI"
DEBIAN = f"Debian:{index.RELEASE}"
"""The ecosystems of an image, as OSV calls them."""

PYTHONS = ("3.12", "3.13")
"""The Pythons an image may have."""

_REBUILT = re.compile(r"\+b\d+$")
"""What Debian adds to a version when it builds the same source again; advisories count sources."""


@dataclass(frozen=True, order=True)
class Package:
    """One version of one package, and where it is locked."""

    ecosystem: str
    name: str
    """Normalised; of Debian the source package."""
    version: str
    file: Path
    line: int
    parts: tuple[str, ...] = ()
    """The Debian packages of this source that are in the image."""

    def __str__(self) -> str:
        others = [part for part in self.parts if part != self.name]
        return f"{self.name} {self.version}" + (f" ({', '.join(others)})" if others else "")


def wheels(lock: Lock, platforms: Iterable[Platform]) -> list[Package]:
    """What a lock installs on these platforms, with any Python that an image may have."""
    environments = [_environment(python, platform) for python, platform in product(PYTHONS, platforms)]
    found = []
    for number, requirement in _pins(lock.text):
        marker = requirement.marker
        if marker is None or any(marker.evaluate(environment) for environment in environments):
            (pin,) = requirement.specifier
            found.append(Package(PYPI, canonicalize_name(requirement.name), pin.version, lock.path, number))
    return found


def _pins(text: str) -> Iterator[tuple[int, Requirement]]:
    for number, line in enumerate(text.splitlines(), start=1):
        if line and line[0] not in " #":
            yield number, Requirement(line.rstrip(" \\"))


def _environment(python: str, platform: Platform) -> dict[str, str]:
    """What markers ask for."""
    return {
        "implementation_name": "cpython",
        "implementation_version": f"{python}.0",
        "os_name": "posix",
        "platform_machine": platform.wheels.partition("-")[0],
        "platform_python_implementation": "CPython",
        "platform_system": "Linux",
        "python_full_version": f"{python}.0",
        "python_version": python,
        "sys_platform": "linux",
    }


def debian(platforms: Iterable[Platform]) -> list[Package]:
    """The sources of the Debian packages that are locked for these platforms.

    A package lies in the folder of its source, in every archive of Debian's: pool/main/g/glibc/libc6_...
    """
    lines = paths.DEBIAN_LOCK.read_text(encoding="utf-8").splitlines()
    found: dict[tuple[str, str], tuple[int, list[str]]] = {}
    for platform in platforms:
        for package in debian_lock.load(platform.architecture, paths.DEBIAN_LOCK, paths.DEBIAN_INPUTS):
            source, version = Path(package.path).parent.name, _REBUILT.sub("", package.version)
            start = f"{package.architecture} {package.name} "
            number = next(at for at, line in enumerate(lines, start=1) if line.startswith(start))
            _, parts = found.setdefault((source, version), (number, []))
            parts.append(package.name)
    return [
        Package(DEBIAN, source, version, paths.DEBIAN_LOCK, number, tuple(dict.fromkeys(parts)))
        for (source, version), (number, parts) in found.items()
    ]
