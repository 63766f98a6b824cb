"""The default base of an image: its Debian packages, fetched and ready to be laid out."""

import hashlib
from dataclasses import dataclass
from functools import cached_property

from builder import download
from builder.debian import fetch, lock, mirrors, rootfs
from builder.debian.fetch import Fetched
from builder.image.entries import Entry
from builder.platforms import Platform


@dataclass(frozen=True)
class DebianBase:
    """A root file system of locked Debian packages with a Python in it."""

    fetched: tuple[Fetched, ...]

    python_version = rootfs.PYTHON_VERSION
    python = "/usr/bin/python3"
    site_packages = rootfs.SITE_PACKAGES
    scripts = "usr/local/bin"
    standard_library = f"usr/lib/python{rootfs.PYTHON_VERSION}"

    @property
    def key(self) -> str:
        """Determines the content."""
        hashes = "\n".join(item.package.sha256 for item in self.fetched)
        return hashlib.sha256(hashes.encode()).hexdigest()

    @property
    def substitutes(self) -> list[str]:
        """`name locked -> used` for each package that had to be replaced."""
        return [
            f"{item.package.name} {item.locked.version} -> {item.package.version}"
            for item in self.fetched
            if item.locked
        ]

    @cached_property
    def entries(self) -> list[Entry]:
        """Everything in the root file system; unpacking takes seconds."""
        return rootfs.root_entries([item.content for item in self.fetched])


def prepare(platform: Platform, mirror: str | None, *, locked: bool) -> DebianBase:
    """Fetch the base for a platform; `locked` forbids any version but the locked ones."""
    packages = lock.load(platform.architecture)
    found = fetch.fetch(download.session(), mirrors.find(mirror), packages, allow_substitutes=not locked)
    return DebianBase(tuple(found))
