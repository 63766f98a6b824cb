"""How much room a build needs, and which disk lacks it: what is said when a disk is full.

The standard library of Python 3.9 is enough for this module: the environment may be what has no room.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from builder import paths

BUILD = 1300
DIST = 250
CACHE = 800
SCRATCH = 50
"""Megabytes that the first build of the default image needs in build/, in dist/, in uv's cache, for temporary files."""

_SAID = re.compile(
    r"No space left on device|Disk quota exceeded|os error 28\b|\bErrno 28\b|didn't write the full pyc file"
)
"""How pip, uv and Python say that a disk is full."""


def is_missing(said: str) -> bool:
    """Whether a program ended because a disk is full, by what it said."""
    return bool(_SAID.search(said))


def lacking() -> str:
    """A line for each disk that a build writes to and that has less room than it needs, or for all if none has."""
    disks = list(_disks())
    short = [line for line, is_short in disks if is_short]
    return "\n".join(short or [line for line, _ in disks])


def _disks() -> Iterator[tuple[str, bool]]:
    needs = {paths.BUILD: BUILD, paths.DIST: DIST, _uv_cache(): CACHE, Path(tempfile.gettempdir()): SCRATCH}
    by_disk: dict[int, list[Path]] = {}
    for folder in needs:
        by_disk.setdefault(_nearest(folder).stat().st_dev, []).append(folder)
    for folders in by_disk.values():
        free = shutil.disk_usage(_nearest(folders[0])).free // 10**6
        needed = sum(needs[folder] for folder in folders)
        names = ", ".join(str(folder) for folder in folders)
        said = f"has {free} MB free; a first build needs about {needed} MB there ({names})"
        yield f"  the disk at {_mount(folders[0])} {said}", free < needed


def _uv_cache() -> Path:
    named = os.environ.get("UV_CACHE_DIR")
    usual = Path(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "uv")  # no home will do, too
    return Path(named or usual).absolute()


def _nearest(folder: Path) -> Path:
    """The folder, or the lowest one above it that is there."""
    return next(place for place in (folder, *folder.parents) if place.exists())


def _mount(folder: Path) -> Path:
    place = _nearest(folder).resolve()
    return next(above for above in (place, *place.parents) if above.is_mount())
