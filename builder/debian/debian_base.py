"""The default base of an image: its Debian packages, fetched and ready to be laid out."""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from builder.debian import debian_lock, fetch, mirrors, rootfs
from builder.debian.fetch import Fetched
from builder.image import entries
from builder.image.entries import Entry
from builder.image.layers import BlobStore, Layer
from builder.image.oci import Inherited
from builder.platforms import Platform


@dataclass(frozen=True)
class DebianBase:
    """A root file system of locked Debian packages with a Python in it."""

    fetched: tuple[Fetched, ...]

    python_version = rootfs.PYTHON_VERSION
    interpreter = f"/usr/bin/python{rootfs.PYTHON_VERSION}"
    python = "/usr/bin/python3"
    site_packages = rootfs.SITE_PACKAGES
    scripts = "usr/local/bin"
    installed = (scripts, site_packages)
    standard_library = f"usr/lib/python{rootfs.PYTHON_VERSION}"
    compiles_library = True
    inherited = Inherited()

    @property
    def environment(self) -> dict[str, str]:
        """Where programs are."""
        return {"PATH": "/usr/local/bin:/usr/bin:/bin"}

    @property
    def key(self) -> str:
        """Determines the content."""
        hashes = "\n".join(item.package.sha256 for item in self.fetched)
        return hashlib.sha256(hashes.encode()).hexdigest()

    @property
    def summary(self) -> str:
        """For people."""
        return f"{len(self.fetched)} Debian packages, Python {self.python_version}"

    @property
    def labels(self) -> dict[str, str]:
        """Says so if it is not the locked base."""
        return {"io.llama-stack.debian-substitutes": "; ".join(self.substitutes)} if self.substitutes else {}

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

    def lay_out(self, root: Path) -> None:
        """Write the root file system to disk."""
        entries.write_to_disk(self.entries, root)

    def layers(self, store: BlobStore, kit: str, compiled: Callable[[], Iterable[Entry]]) -> list[Layer]:
        """One layer, with the standard library compiled."""

        def content() -> list[Entry]:
            return sorted([*self.entries, *compiled()], key=lambda entry: entry.path)

        return [store.layer("base", f"{self.key} {kit}", content)]


def prepare(platform: Platform, mirror: str | None, *, locked: bool) -> DebianBase:
    """Fetch the base for a platform; `locked` forbids any version but the locked ones."""
    packages = debian_lock.load(platform.architecture)
    found = fetch.fetch(mirrors.find(mirror), packages, allow_substitutes=not locked)
    return DebianBase(tuple(found))
