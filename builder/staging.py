"""From a lock to staged trees: the base of each platform, the wheels on it; one command at a time."""

import platform as host
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from builder import layering, paths, platforms, progress, stage, variant
from builder.base import Base
from builder.base_image import image_base
from builder.debian import debian_base
from builder.errors import BaseImageError, cannot_write
from builder.image.layers import BlobStore
from builder.image_lock import Lock
from builder.platforms import Platform
from builder.stage import Stage
from builder.tags import Reference


@contextmanager
def one_at_a_time() -> Iterator[None]:
    """One command with stages at a time in a clone: they share them."""
    lock = FileLock(paths.BUILD / "build.lock")
    try:
        paths.BUILD.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout:
        progress.err.print("another build runs in this clone; waiting for it")
        lock.acquire()
    except OSError as error:
        raise cannot_write(paths.BUILD, error, paths.ELSEWHERE) from error
    try:
        _remove_drafts()
        yield
    finally:
        _remove_drafts()
        lock.release()


def _remove_drafts() -> None:
    """Remove what a command leaves half-written when it is killed, or when it ends while a download still waits."""
    for folder in (paths.STAGES, paths.BLOBS / "sha256", paths.DOWNLOADS):
        for draft in folder.glob("*.part"):
            if draft.is_dir():
                shutil.rmtree(draft, ignore_errors=True)
            else:
                draft.unlink(missing_ok=True)


@dataclass(frozen=True)
class BaseSource:
    """Where the base comes from: an image, or else Debian's packages."""

    image: Reference | None = None
    plain_http: bool = False
    debian_mirror: str | None = None
    locked: bool = False
    """Whether other versions of Debian packages than the locked ones are an error."""


def stages(lock: Lock, wanted: tuple[Platform, ...], source: BaseSource, store: BlobStore) -> list[Stage]:
    """The stage of each platform, made if it is not there."""
    bases = {platform: _base(source, store, platform) for platform in wanted}
    compiler = _compiler(source, store, bases)
    made = []
    for platform in wanted:
        with progress.step("stage", f"{len(lock.versions)} packages for {platform.name}") as step:
            made.append(stage.prepare(bases[platform], lock, platform, compiler))
            step.detail = f"{len(made[-1].wheels())} packages for {platform.name}, compiled"
    return made


def whole_tree(added: Iterable[str] = (), removed: Iterable[str] = ()) -> Stage:
    """The tree of the image that a build would make for this machine, the kit's code and configs included."""
    built = variant.choose(added, removed)
    here = platforms.of_machine(host.machine())
    (tree,) = stages(built.lock, (here,), BaseSource(), BlobStore(paths.BLOBS))
    layering.complete(tree, built.chosen, paths.RUN_CONFIG)
    return tree


def _compiler(source: BaseSource, store: BlobStore, bases: Mapping[Platform, Base]) -> Path | None:
    """The tree of the base for this machine's processor; None if the base is not to be had for it."""
    here = platforms.of_machine(host.machine())
    try:
        return stage.base_alone(bases[here] if here in bases else _base(source, store, here))
    except BaseImageError:
        return None


def _base(source: BaseSource, store: BlobStore, platform: Platform) -> Base:
    if source.image:
        with progress.step("base", str(source.image)) as step:
            prepared = image_base.prepare(source.image, platform, store, plain_http=source.plain_http)
            step.detail = f"{prepared.summary} for {platform.name}"
        return prepared
    with progress.step("base", "Debian packages") as step:
        debian = debian_base.prepare(platform, source.debian_mirror, locked=source.locked)
        step.detail = f"{debian.summary} for {platform.name}"
    for substitute in debian.substitutes:
        progress.warn(f"a locked Debian package is to be had nowhere; another version takes its place: {substitute}")
    if debian.substitutes:
        progress.warn("the image is labelled so and differs from the locked one; run: python build.py lock")
    return debian
