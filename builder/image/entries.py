"""What an image's file system holds, as data: one Entry a file, directory or link.

Owner and mode are those of the image, never of the machine that builds it, so a build needs no root and is
the same under any umask.
"""

import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path


class Kind(Enum):
    """What an entry is."""

    DIRECTORY = "directory"
    FILE = "file"
    LINK = "link"


@dataclass(frozen=True)
class Entry:
    """One path of the image."""

    path: str
    """Relative to the image's root, with `/` between parts and no leading one."""
    kind: Kind
    mode: int
    """Permission bits."""
    content: bytes | Path = b""
    """A file's bytes, or where to read them."""
    target: str = ""
    """What a link points to."""
    user: int = 0
    group: int = 0

    def read(self) -> bytes:
        """A file's bytes."""
        return self.content if isinstance(self.content, bytes) else self.content.read_bytes()


def directory(path: str, mode: int = 0o755, user: int = 0, group: int = 0) -> Entry:
    """A directory."""
    return Entry(path, Kind.DIRECTORY, mode, user=user, group=group)


def directories_to(*paths: str) -> Iterator[Entry]:
    """These directories and those above them, outermost first, each once: Docker refuses a layer that repeats one."""
    seen = set()
    for path in paths:
        parts = path.split("/") if path else []
        for count in range(1, len(parts) + 1):
            above = "/".join(parts[:count])
            if above not in seen:
                seen.add(above)
                yield directory(above)


def with_folders(found: Iterable[Entry]) -> list[Entry]:
    """The entries sorted by path, and a directory of root's for each folder above them that has none.

    Container runtimes make such folders up. Programs that read layers, scanners of packages for one, do not find what
    lies in them.
    """
    listed = list(found)
    known = {entry.path for entry in listed}
    above = (entry for entry in directories_to(*(_folder(entry.path) for entry in listed)) if entry.path not in known)
    return sorted([*above, *listed], key=lambda entry: entry.path)


def file(path: str, content: bytes | Path, mode: int = 0o644) -> Entry:
    """A file."""
    return Entry(path, Kind.FILE, mode, content)


def link(path: str, target: str) -> Entry:
    """A symbolic link."""
    return Entry(path, Kind.LINK, 0o777, target=target)


def below(root: Path, folder: str) -> Iterator[Entry]:
    """Everything in `folder` of a tree on disk, sorted by path.

    Modes are reduced to what an image needs: a file is executable or not, and readable by everyone.
    """
    start = root / folder
    for directory_path, directories, files in os.walk(start):
        directories.sort()
        here = Path(directory_path)
        inside = here.relative_to(root).as_posix()
        yield directory(inside)
        for name in sorted([*files, *(name for name in directories if (here / name).is_symlink())]):
            path = here / name
            status = path.lstat()
            if stat.S_ISLNK(status.st_mode):
                yield link(f"{inside}/{name}", str(path.readlink()))
            else:
                yield file(f"{inside}/{name}", path, 0o755 if status.st_mode & 0o100 else 0o644)


def _folder(path: str) -> str:
    return path.rpartition("/")[0]


def write_to_disk(entries: Iterable[Entry], root: Path) -> None:
    """Lay entries out below `root`, for a program that needs a real tree. Owners are not set."""
    for entry in sorted(entries, key=lambda entry: entry.path):
        path = root / entry.path
        if entry.kind is Kind.DIRECTORY:
            path.mkdir(parents=True, exist_ok=True)
            path.chmod(entry.mode)
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        if entry.kind is Kind.LINK:
            path.symlink_to(entry.target)
        else:
            path.write_bytes(entry.read())
            path.chmod(entry.mode)
