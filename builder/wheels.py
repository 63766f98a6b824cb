"""Stage the locked wheels for a target Python and platform, without running that Python."""

import fnmatch
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from packaging.utils import canonicalize_name

from builder import command, image_lock, network, paths, progress, records
from builder.base import Base
from builder.errors import KitError, UnreachableError
from builder.image_lock import Lock
from builder.platforms import Platform
from builder.records import ChangedFile

_RECORD_FOLDER = re.compile(r"^(?P<name>.+)-(?P<version>[^-]+)\.dist-info$")
_HOST_PYTHON = re.compile(rb"\A(?:#!/bin/sh\n'''exec' .*\n' '''\n|#!.*python.*\n)")
"""How a script names its interpreter: `#!`, or by way of sh where the path is long or has a space."""
_NO_ANSWER = "error sending request for url"
"""How uv says that an index did not answer, after all its tries."""
_HASH_MISMATCH = re.compile(r"hash(es)? mismatch", re.IGNORECASE)


@dataclass(frozen=True)
class Wheel:
    """One staged distribution and the files that belong to it, relative to the site directory."""

    name: str
    version: str
    files: frozenset[str]
    size: int
    """Bytes that its files take as its record says, which is faster than asking each file; bytecode comes on top."""


def stage(locked: Lock, site: Path, scripts: Path, platform: Platform, base: Base) -> None:
    """Install the lock's wheels into `site` and their programs into `scripts`, for the base's Python.

    Nothing that is written depends on this machine. What requirements/left-out-files.txt names stays out. Raises
    UnreachableError if the index does not answer, KitError for a wrong hash or platform.
    """
    words: list[str | Path] = ["pip", "install", "--quiet", "--target", site]
    words += ["--python-version", base.python_version, "--python-platform", platform.wheels]
    words += [*image_lock.wheels_only(), *_build_settings()]
    words += ["--no-deps", "--require-hashes", "--requirements", locked.path]
    _install(words)
    if changed := records.changed_files(site):
        # Installed files may be hard links into uv's cache: who changes one (adds a CA to certifi's) changes the cache.
        packages = " ".join(sorted({file.package for file in changed}))
        progress.warn(
            f"uv's cache has changed files ({_named(changed)}): all wheels are downloaded anew. To put the cache "
            f"right, run: uv cache clean {packages}"
        )
        _install([*words, "--reinstall", "--no-cache"])
        if changed := records.changed_files(site):
            raise KitError(
                f"{len(changed)} staged files are not those of their wheels\n{_compared(changed)}",
                "something on this machine changes them while they are installed; find it and build again",
            )
    (site / ".lock").unlink(missing_ok=True)  # uv's own
    _move_programs(site, scripts, base.python)
    _leave_files_out(site)
    _check_platform(site, platform)


def _build_settings() -> list[str | Path]:
    """uv's options for the packages that publish no wheel.

    The setting does nothing but tell apart what uv's cache keeps: it knows a built wheel by its source and its
    settings, not by the setuptools that built it.
    """
    tools = hashlib.sha256(paths.SDISTS_LOCK.read_bytes()).hexdigest()
    words: list[str | Path] = ["--build-constraints", paths.SDISTS_LOCK]
    for name in image_lock.requirement_lines(paths.SDISTS):
        words += ["--config-settings-package", f"{name}:built-with={tools}"]
    return words


def _install(words: list[str | Path]) -> None:
    try:
        if network.has_extra_indexes() and _installs_from_the_index_alone(words):
            return
        command.run_uv(words, failure="the wheels could not be staged", error=UnreachableError)
    except UnreachableError as error:
        if _HASH_MISMATCH.search(error.message):
            raise KitError(
                f"a wheel is not the file that was locked\n{error.message}",
                "the index or a proxy on the way changed it; do not use it. `build.py lock` resolves anew",
            ) from error
        if not _install_from_cache(words):
            raise UnreachableError(error.message, "check index, proxy and CA in your pip and uv settings") from error


def _installs_from_the_index_alone(words: list[str | Path]) -> bool:
    """Install without extra indexes, if that will do.

    A release may have several wheels that fit, all of them locked, and an extra index only the worst. The image shall
    not depend on who has such an index. Raises UnreachableError if the index does not answer: it would not answer
    beside the others either.
    """
    try:
        command.run_uv(words, failure="the wheels could not be staged", error=UnreachableError, extra_indexes=False)
    except UnreachableError as error:
        if _NO_ANSWER in error.message:
            raise
        return False
    return True


def _install_from_cache(words: list[str | Path]) -> bool:
    """Install what uv has downloaded before; False if that is not all. uv itself asks the index even then."""
    try:
        command.run_uv([*words, "--offline"], failure="not all wheels are in uv's cache")
    except KitError:
        return False
    progress.warn("the index does not answer; uv's cache has every wheel, with the locked hash")
    return True


def _named(changed: list[ChangedFile]) -> str:
    names = [file.path for file in changed]
    return ", ".join([*names[:3], "..."] if len(names) > 3 else names)


def _compared(changed: list[ChangedFile]) -> str:
    return "\n".join(
        f"  {file.path}: {file.recorded} recorded, {file.found or 'nothing'} found" for file in changed[:10]
    )


def staged(site: Path) -> list[Wheel]:
    """The distributions in a site directory, sorted by name."""
    found = []
    for record in records.record_files(site):
        match = _RECORD_FOLDER.match(record.parent.name)
        if not match:
            continue
        sizes = {path: int(size or 0) for path, _, size in records.read(record)}  # the record itself has none
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
    for record in records.record_files(site):
        rows = records.read(record)
        kept = [row for row in rows if not left_out.match(row[0])]
        if len(kept) < len(rows):
            for row in rows:
                if left_out.match(row[0]):
                    (site / row[0]).unlink(missing_ok=True)
                    folders.update((site / row[0]).relative_to(site).parents)
            records.write(record, kept)
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
    for record in records.record_files(site):
        _rewrite_record(record, climb + inside)


def _common(one: Path, other: Path) -> Path:
    return next(parent for parent in one.parents if parent in other.parents)


def _rewrite_record(record: Path, scripts: str) -> None:
    """Name moved programs where they are now, without the hash they had with another first line."""
    rows = records.read(record)
    changed = [[f"{scripts}/{row[0][4:]}", "", ""] if row[0].startswith("bin/") else row for row in rows]
    if changed != rows:
        records.write(record, changed)


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
