"""From a lock to staged trees: the base of each platform, the wheels on it; one command at a time."""

import platform as host
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from filelock import FileLock, Timeout

from builder import catalogue as catalogues
from builder import layering, manifest, paths, platforms, progress, stage, variant
from builder.debian import base
from builder.debian.base import DebianBase
from builder.lock import Lock
from builder.platforms import Platform
from builder.stage import Stage


@contextmanager
def alone() -> Iterator[None]:
    """One command with stages at a time in a clone: they share them."""
    paths.BUILD.mkdir(parents=True, exist_ok=True)
    lock = FileLock(paths.BUILD / "build.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        progress.err.print("another build runs in this clone; waiting for it")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def stages(lock: Lock, wanted: tuple[Platform, ...], debian_mirror: str | None, *, locked: bool) -> list[Stage]:
    """The stage of each platform, made if it is not there; `locked` forbids other Debian versions."""
    here = platforms.of_machine(host.machine())
    bases = {platform: _base(platform, debian_mirror, locked=locked) for platform in dict.fromkeys((here, *wanted))}
    compiler = stage.interpreter(bases[here])
    made = []
    for platform in wanted:
        with progress.step("stage", f"{len(lock.versions)} packages for {platform.name}") as step:
            made.append(stage.prepare(bases[platform], lock, platform, compiler))
            step.detail = f"{len(made[-1].wheels())} packages for {platform.name}, compiled"
    return made


def whole_tree(added: Iterable[str] = (), removed: Iterable[str] = ()) -> Stage:
    """The tree of the image that a build would make for this machine, the kit's code and configs included."""
    catalogue = catalogues.load()
    shipped = manifest.load(paths.BUILD_CONFIG, catalogue)
    chosen = shipped.changed(added, removed, catalogue)
    here = platforms.of_machine(host.machine())
    (tree,) = stages(variant.lock_for(chosen, shipped, catalogue), (here,), None, locked=False)
    layering.complete(tree, chosen, paths.RUN_CONFIG)
    return tree


def _base(platform: Platform, debian_mirror: str | None, *, locked: bool) -> DebianBase:
    with progress.step("base", "Debian packages") as step:
        prepared = base.prepare(platform, debian_mirror, locked=locked)
        step.detail = f"{len(prepared.fetched)} Debian packages for {platform.name}, Python {prepared.python_version}"
    for substitute in prepared.substitutes:
        progress.warn(f"a locked Debian package is to be had nowhere; another version takes its place: {substitute}")
    if prepared.substitutes:
        progress.warn("the image is labelled so and differs from the locked one; run: python build.py lock")
    return prepared
