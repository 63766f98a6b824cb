"""Lay the file tree of an image out on disk, layer upon layer, for a machine without an engine."""

import gzip
import json
import os
import shutil
import tarfile
from pathlib import Path
from typing import IO, Any

from builder.errors import KitError, UserFileError

_MOST_LINKS = 40
_REMOVED, _EMPTIED = ".wh.", ".wh..wh..opq"
"""How a layer says that something below it is gone: one name, or all that lower layers put into a folder."""


def archive(path: Path, folder: Path) -> Path:
    """Unpack the image that `docker load` would load; returns its root below `folder`.

    The root is named by the image's digest and used again. Raises UserFileError if `path` is no archive.
    """
    try:
        with tarfile.open(path) as opened:
            image: dict[str, Any] = json.loads(_read(opened, "manifest.json"))[0]
            root = folder / _short_digest(image["Config"])
            if root.is_dir():
                return root
            draft = folder / f".{root.name}.part"
            shutil.rmtree(draft, ignore_errors=True)
            draft.mkdir(parents=True)
            try:
                for name in image["Layers"]:
                    layer(_open(opened, name), draft)
                draft.rename(root)
            finally:
                shutil.rmtree(draft, ignore_errors=True)
    except (tarfile.TarError, KeyError, ValueError) as error:
        raise _not_an_image(path, error) from error
    return root


def root_of(path: Path, folder: Path) -> Path:
    """Where below `folder` the image in an archive is unpacked. Raises UserFileError if `path` is no archive."""
    try:
        with tarfile.open(path) as opened:
            return folder / _short_digest(json.loads(_read(opened, "manifest.json"))[0]["Config"])
    except (tarfile.TarError, LookupError, ValueError, TypeError) as error:
        raise _not_an_image(path, error) from error


def environment(path: Path) -> dict[str, str]:
    """The variables that a container of the archived image has."""
    try:
        with tarfile.open(path) as opened:
            config = json.loads(_read(opened, json.loads(_read(opened, "manifest.json"))[0]["Config"]))
    except (tarfile.TarError, KeyError, ValueError) as error:
        raise _not_an_image(path, error) from error
    return variables(config["config"])


def variables(config: dict[str, Any]) -> dict[str, str]:
    """`Env` of an image's config as a mapping."""
    pairs = (item.partition("=") for item in config.get("Env") or [])
    return {name: value for name, _, value in pairs}


def layer(content: IO[bytes], root: Path) -> None:
    """Apply one layer, a tar or a gzipped one, to the tree at `root`.

    Links are followed as they would be in the image, so nothing is written outside of `root`. Owners and
    devices are left out; whoever unpacks may write everywhere.
    """
    fresh: set[Path] = set()
    with plain(content) as uncompressed, tarfile.open(fileobj=uncompressed, mode="r|") as opened:
        for member in opened:
            folder, _, name = member.name.strip("/").rpartition("/")
            place = inside(root, folder) / name
            if name in ("", "."):
                continue
            if name == "..":
                raise KitError(f"a layer names {member.name}, which leads out of the image")
            if name == _EMPTIED:
                for below in place.parent.iterdir() if place.parent.is_dir() else ():
                    if below not in fresh:
                        _remove(below)
            elif name.startswith(_REMOVED):
                _remove(place.with_name(name.removeprefix(_REMOVED)))
            else:
                _write(opened, member, place, root)
                fresh.add(place)


def inside(root: Path, path: str, *, follow: bool = True) -> Path:
    """Where a path of the image lies below `root`, links followed as in the image; the last part too if `follow`."""
    place, waiting, links = root, path.split("/")[::-1], 0
    while waiting:
        part = waiting.pop()
        if part == "..":
            place = place.parent if place != root else root
        elif part not in ("", "."):
            step = place / part
            if not step.is_symlink() or not (waiting or follow):
                place = step
                continue
            if (links := links + 1) > _MOST_LINKS:
                raise KitError(f"/{path} of the image is a link that leads to itself")
            target = str(step.readlink())
            place = root if target.startswith("/") else place
            waiting += target.split("/")[::-1]
    return place


def _write(opened: tarfile.TarFile, member: tarfile.TarInfo, place: Path, root: Path) -> None:
    if member.isdir():
        if not place.is_dir() or place.is_symlink():
            _remove(place)
            place.mkdir(parents=True)
        place.chmod(member.mode & 0o7777 | 0o700)
        return
    if not (member.isfile() or member.issym() or member.islnk()):
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    _remove(place)
    if member.issym():
        place.symlink_to(member.linkname)
    elif member.islnk():
        place.hardlink_to(inside(root, member.linkname, follow=False))
    else:
        content = opened.extractfile(member)
        assert content  # noqa: S101 - it is a file
        with place.open("wb") as target:
            shutil.copyfileobj(content, target)
        place.chmod(member.mode & 0o777 | 0o400)
        os.utime(place, (member.mtime, member.mtime))  # bytecode of a base may depend on it


def _remove(place: Path) -> None:
    if place.is_dir() and not place.is_symlink():
        shutil.rmtree(place)
    else:
        place.unlink(missing_ok=True)


def plain(content: IO[bytes]) -> IO[bytes]:
    """The tar in a layer, whether it is compressed with gzip or not at all."""
    start = content.read(2)
    content.seek(0)
    # tarfile's own decompression would stop after the first gzip member
    return gzip.open(content) if start == b"\x1f\x8b" else content  # type: ignore[return-value]


def _short_digest(config: Any) -> str:
    """The beginning of the digest that names an image's config."""
    return str(config).rpartition("/")[2][:16]


def _not_an_image(path: Path, error: Exception) -> UserFileError:
    return UserFileError(path, f"is not an image archive: {error}", "build it again")


def _read(opened: tarfile.TarFile, name: str) -> bytes:
    return _open(opened, name).read()


def _open(opened: tarfile.TarFile, name: str) -> IO[bytes]:
    member = opened.extractfile(name)
    if member is None:
        raise KeyError(name)
    return member
