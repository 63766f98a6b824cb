"""Stage an image's whole file tree on this machine: base, wheels, bytecode.

A stage is kept under build/stages/ by everything that determines it and used again; the code and the config
that go on top of it are laid anew for each build.
"""

import functools
import hashlib
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from builder import bytecode, paths, wheels
from builder.base import Base, Tree
from builder.errors import cannot_write
from builder.image import compression, entries
from builder.image.entries import Entry
from builder.image_lock import Lock
from builder.platforms import Platform
from builder.wheels import Wheel

KEPT = 8
"""How many stages stay on disk; the ones longest unused are removed."""


@dataclass(frozen=True)
class Stage:
    """A staged tree. `root` is what will be `/` in the image."""

    root: Path
    platform: Platform
    base: Base
    compiler: Path | None
    """Root of a tree whose Python, of the same version, runs on this machine."""

    @property
    def site(self) -> Path:
        """The site directory that holds the wheels."""
        return self.root / self.base.site_packages

    def wheels(self) -> list[Wheel]:
        """The staged distributions."""
        return wheels.staged(self.site)

    def bytecode(self, folder: str) -> Iterator[Entry]:
        """The compiled files below a folder of the tree, and the directories that hold them."""
        for entry in entries.below(self.root, folder):
            if entry.path.endswith((".pyc", "/__pycache__")):
                yield entry

    def installed(self) -> Iterator[Entry]:
        """Everything the wheels brought: the site directory and the programs."""
        for folder in self.base.installed:
            yield from entries.below(self.root, folder)

    def lay_on_top(self, folder: str, wanted: list[Entry]) -> None:
        """Replace `folder` of the tree by what is wanted there (and elsewhere), compiled.

        The code that is there stays with its bytecode if it is the wanted code: most builds change a config only.
        """
        sources = {entry.path: entry for entry in wanted if entry.path.endswith(".py")}
        there = {path.relative_to(self.root).as_posix() for path in (self.root / folder).rglob("*.py")}
        is_new = there != set(sources) or not all(map(self._holds_compiled, sources.values()))
        if is_new:
            shutil.rmtree(self.root / folder, ignore_errors=True)
        entries.write_to_disk(wanted, self.root)
        if is_new:
            bytecode.compile_tree(self.root, [folder], self.base, self.compiler)

    def _holds_compiled(self, source: Entry) -> bool:
        path = self.root / source.path
        return path.read_bytes() == source.read() and any(path.parent.glob(f"__pycache__/{path.stem}.*.pyc"))


def prepare(base: Base, lock: Lock, platform: Platform, compiler: Path | None) -> Stage:
    """The stage for a base and a lock. `compiler` is the tree of the same base for this machine's processor."""

    def fill(root: Path) -> None:
        with ThreadPoolExecutor(1) as pool:  # the network is slow enough for the base to be done beside it
            installed = pool.submit(wheels.stage, lock, root / base.site_packages, root / base.scripts, platform, base)
            base.lay_out(root)
            if base.compiles_library:
                bytecode.compile_tree(root, [base.standard_library], base, compiler)
            installed.result()
        bytecode.compile_tree(root, [base.site_packages], base, compiler)

    key = _digest(base.key, lock.text, platform.name, own_digest())
    return Stage(_kept(f"{platform.architecture}-{key}", fill), platform, base, compiler)


def base_alone(base: Tree) -> Path:
    """The root of a tree with a base alone: its Python compiles stages, also those of other processors."""
    return _kept(f"python-{_digest(base.key, own_digest())}", base.lay_out)


def _kept(name: str, fill: Callable[[Path], None]) -> Path:
    """The tree of this name: an earlier one, or a new one that appears only when `fill` is done with it."""
    place = paths.STAGES / name
    if place.is_dir():
        place.touch()
        return place
    draft = paths.STAGES / f".{name}.part"
    shutil.rmtree(draft, ignore_errors=True)
    try:
        fill(draft)
        draft.rename(place)
    except OSError as error:
        raise cannot_write(draft, error) from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    for old in sorted(paths.STAGES.glob("*-*"), key=lambda path: path.stat().st_mtime, reverse=True)[KEPT:]:
        shutil.rmtree(old, ignore_errors=True)
    return place


def _digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


@functools.cache
def own_digest() -> str:
    """Digest of the kit's own code and rules, so that a change to them makes new stages and layers."""
    digest = hashlib.sha256(compression.FORMAT.encode() + paths.LEFT_OUT_FILES.read_bytes())
    for source in sorted((paths.ROOT / "builder").rglob("*.py")):
        digest.update(source.relative_to(paths.ROOT).as_posix().encode() + b"\0" + source.read_bytes())
    return digest.hexdigest()
