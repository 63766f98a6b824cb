"""Find the Python in a base image by looking at its files; nothing of it runs."""

import re
from dataclasses import dataclass
from pathlib import Path

from builder import loader
from builder.errors import BaseImageError
from builder.image import unpack

SUPPORTED = ("3.13", "3.12")
"""What requirements/image.lock is resolved for."""

OLDEST_GLIBC = (2, 28)
"""What the wheels need: manylinux_2_28."""

_NAMES = ("python3", "python", *(f"python{version}" for version in SUPPORTED))
_GLIBC_SAYS = re.compile(rb"GNU C Library [^\n]*release version (\d+)\.(\d+)")


@dataclass(frozen=True)
class Interpreter:
    """A Python in an image."""

    version: str
    """As in `3.12`."""
    program: str
    """Its absolute path in the image, links resolved."""
    library: str
    """The folder of its standard library, without a slash before it."""


def find(root: Path, search_path: str, image: str) -> Interpreter:
    """The Python that programs of the image find, if the lock supports it, or another that is there.

    Raises BaseImageError saying everything that the image lacks.
    """
    problems = _library_problems(root)
    seen: dict[str, str] = {}
    for name in _NAMES:
        for folder in search_path.split(":"):
            place = unpack.inside(root, f"{folder}/{name}")
            version = re.fullmatch(r"python(\d+\.\d+)", place.name)
            if not place.is_file() or not version:
                continue
            program = "/" + place.relative_to(root).as_posix()
            seen[program] = version[1]
            library = _standard_library(root, place, version[1])
            if version[1] in SUPPORTED and library and not problems:
                return Interpreter(version[1], program, library)
    raise BaseImageError(f"{image} will not do as a base:\n  " + "\n  ".join([*problems, *_python_problems(seen)]))


def _python_problems(seen: dict[str, str]) -> list[str]:
    wanted = " or ".join(reversed(SUPPORTED))
    if not seen:
        return [f"it has no Python on its PATH; the lock is for Python {wanted}"]
    if not set(seen.values()) & set(SUPPORTED):
        return [f"its Python is {', '.join(f'{v} ({path})' for path, v in seen.items())}; the lock is for {wanted}"]
    return [f"{path} has no standard library" for path, version in seen.items() if version in SUPPORTED]


def _standard_library(root: Path, program: Path, version: str) -> str | None:
    for name in ("lib", "lib64"):
        folder = unpack.inside(root, f"{program.parent.parent.relative_to(root).as_posix()}/{name}/python{version}")
        if (folder / "os.py").is_file():
            return folder.relative_to(root).as_posix()
    return None


def _library_problems(root: Path) -> list[str]:
    wanted = ".".join(map(str, OLDEST_GLIBC))
    libc = _shared(root, "libc.so.6")
    if libc is None:
        musl = any(_shared(root, name) for name in ("libc.musl-x86_64.so.1", "libc.musl-aarch64.so.1"))
        return [f"its C library is {'musl' if musl else 'missing'}; the wheels need glibc {wanted} or later"]
    problems = []
    said = _GLIBC_SAYS.search(libc.read_bytes())
    if said and (int(said[1]), int(said[2])) < OLDEST_GLIBC:
        found = f"{int(said[1])}.{int(said[2])}"
        problems.append(f"its glibc is {found}; the wheels need {wanted} or later")
    if _shared(root, "libstdc++.so.6") is None:
        problems.append("libstdc++.so.6 is missing: install libstdc++6 (Debian) or libstdc++ (Red Hat)")
    return problems


def _shared(root: Path, name: str) -> Path | None:
    for folder in loader.library_folders(root):
        found = unpack.inside(root, f"{folder.relative_to(root).as_posix()}/{name}")
        if found.is_file():
            return found
    return None
