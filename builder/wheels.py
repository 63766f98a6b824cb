"""Stage the locked wheels for a target Python and platform, without running that Python."""

import csv
import fnmatch
import io
import re
from dataclasses import dataclass
from pathlib import Path

from packaging.utils import canonicalize_name

from builder import command, paths
from builder.base import Base
from builder.errors import KitError, UnreachableError
from builder.lock import Lock, wheels_only
from builder.platforms import Platform

_RECORD_FOLDER = re.compile(r"^(?P<name>.+)-(?P<version>[^-]+)\.dist-info$")
_HOST_PYTHON = re.compile(rb"\A(?:#!/bin/sh\n'''exec' .*\n' '''\n|#!.*python.*\n)")
"""How a script names its interpreter: `#!`, or by way of sh where the path is long or has a space."""
_HASH_MISMATCH = re.compile(r"hash(es)? mismatch", re.IGNORECASE)


@dataclass(frozen=True)
class Wheel:
    """One staged distribution and the files that belong to it, relative to the site directory."""

    name: str
    version: str
    files: frozenset[str]
    size: int
    """Bytes that its files take as its record says, which is faster than asking each file; bytecode comes on top."""


def stage(lock: Lock, site: Path, scripts: Path, platform: Platform, base: Base) -> None:
    """Install the lock's wheels into `site` and their programs into `scripts`, for the base's Python.

    Nothing that is written depends on this machine. What requirements/left-out-files.txt names stays out. Raises
    UnreachableError if the index does not answer, KitError for a wrong hash or platform.
    """
    words: list[str | Path] = [command.uv(), "pip", "install", "--quiet", "--target", site]
    words += ["--python-version", base.python_version, "--python-platform", platform.wheels]
    words += [*wheels_only(), "--build-constraints", paths.SDISTS_LOCK]
    words += ["--no-deps", "--require-hashes", "--requirements", lock.path]
    try:
        command.run(words, failure="the wheels could not be staged", error=UnreachableError)
    except UnreachableError as error:
        if _HASH_MISMATCH.search(error.message):
            raise KitError(
                f"a wheel is not the file that was locked\n{error.message}",
                "the index or a proxy on the way changed it; do not use it. `build.py lock` resolves anew",
            ) from error
        raise UnreachableError(error.message, "check the index, proxy and CA in your uv settings") from error
    (site / ".lock").unlink(missing_ok=True)  # uv's own
    _move_programs(site, scripts, base.python)
    _leave_files_out(site)
    _check_platform(site, platform)


def staged(site: Path) -> list[Wheel]:
    """The distributions in a site directory, sorted by name."""
    found = []
    for record in sorted(site.glob("*.dist-info/RECORD")):
        match = _RECORD_FOLDER.match(record.parent.name)
        if not match:
            continue
        with record.open(newline="", encoding="utf-8") as stream:
            sizes = {row[0]: int(row[2] or 0) for row in csv.reader(stream) if row}  # the record itself has none
        found.append(Wheel(canonicalize_name(match["name"]), match["version"], frozenset(sizes), sum(sizes.values())))
    return sorted(found, key=lambda wheel: wheel.name)


def left_out_files() -> list[str]:
    """The patterns of requirements/left-out-files.txt."""
    lines = (line.partition("#")[0].strip() for line in paths.LEFT_OUT_FILES.read_text(encoding="utf-8").splitlines())
    return [line for line in lines if line]


def _leave_files_out(site: Path) -> None:
    """Remove what requirements/left-out-files.txt names.

    The records of the wheels lose it too, so that what is recorded is what is there.
    """
    left_out = re.compile("|".join(fnmatch.translate(pattern) for pattern in left_out_files()))
    folders: set[Path] = set()
    for record in site.glob("*.dist-info/RECORD"):
        with record.open(newline="", encoding="utf-8") as stream:
            rows = [row for row in csv.reader(stream) if row]
        kept = [row for row in rows if not left_out.match(row[0])]
        if len(kept) < len(rows):
            for row in rows:
                if left_out.match(row[0]):
                    (site / row[0]).unlink(missing_ok=True)
                    folders.update((site / row[0]).relative_to(site).parents)
            _write_record(record, kept)
    for folder in sorted(folders, reverse=True):
        place = site / folder
        if place.is_dir() and not any(place.iterdir()):
            place.rmdir()


def _move_programs(site: Path, scripts: Path, python: str) -> None:
    """Put the wheels' programs on PATH, started by the image's Python instead of the one uv found here."""
    scripts.mkdir(parents=True, exist_ok=True)
    source = site / "bin"
    for program in sorted(source.glob("*")):
        content = _HOST_PYTHON.sub(f"#!{python}\n".encode(), program.read_bytes(), count=1)
        moved = scripts / program.name
        moved.unlink(missing_ok=True)
        moved.write_bytes(content)
        moved.chmod(0o755)
        program.unlink()
    if source.is_dir():
        source.rmdir()
    climb = "../" * len(site.relative_to(_common(site, scripts)).parts)
    inside = scripts.relative_to(_common(site, scripts)).as_posix()
    for record in site.glob("*.dist-info/RECORD"):
        _rewrite_record(record, climb + inside)


def _common(one: Path, other: Path) -> Path:
    return next(parent for parent in one.parents if parent in other.parents)


def _rewrite_record(record: Path, scripts: str) -> None:
    """Name moved programs where they are now, without the hash they had with another first line."""
    with record.open(newline="", encoding="utf-8") as stream:
        rows = [row for row in csv.reader(stream) if row]
    changed = [[f"{scripts}/{row[0][4:]}", "", ""] if row[0].startswith("bin/") else row for row in rows]
    if changed == rows:
        return
    _write_record(record, changed)


def _write_record(record: Path, rows: list[list[str]]) -> None:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    record.unlink()  # the file may be a hard link into uv's cache
    record.write_text(text.getvalue(), encoding="utf-8")


def _check_platform(site: Path, platform: Platform) -> None:
    """Refuse native code for another processor, which would only fail when it is imported."""
    wrong = []
    for library in site.rglob("*.so*"):
        with library.open("rb") as stream:
            header = stream.read(20)
        if header[:4] == b"\x7fELF" and int.from_bytes(header[18:20], "little") != platform.elf_machine:
            wrong.append(str(library.relative_to(site)))
    if wrong:
        raise KitError(
            f"{len(wrong)} staged files are not for {platform.name}:\n  " + "\n  ".join(sorted(wrong)[:10]),
            "the index served a wheel whose name says otherwise; report it to the package, or hold it back",
        )
