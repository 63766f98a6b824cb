"""Run the Python of a file tree on this Linux without a sandbox: the tree's own dynamic loader starts it.

For machines that forbid user namespaces, as restricted pods do. The Python sees this machine's files, but its program,
libraries and modules are the tree's, so it does to files what it would do in the image.
"""

import platform as host
from pathlib import Path

from builder import platforms
from builder.image import unpack

_LIBRARIES = ("lib64", "usr/lib64", "lib/*-linux-gnu", "usr/lib/*-linux-gnu", "lib", "usr/lib", "usr/local/lib")


def library_folders(root: Path) -> list[Path]:
    """Where the shared libraries of a tree lie, links followed as in the image."""
    named = [folder.relative_to(root).as_posix() for pattern in _LIBRARIES for folder in sorted(root.glob(pattern))]
    return [folder for folder in dict.fromkeys(unpack.inside(root, name) for name in named) if folder.is_dir()]


def python(root: Path, interpreter: str) -> list[str]:
    """The words that start the Python at `interpreter` of a tree for this machine's processor."""
    loader = unpack.inside(root, platforms.of_machine(host.machine()).loader)
    folders = ":".join(str(folder) for folder in library_folders(root))
    # Without the cache, which is this machine's, a library that the tree lacks is missing here too.
    return [str(loader), "--inhibit-cache", "--library-path", folders, str(unpack.inside(root, interpreter))]
