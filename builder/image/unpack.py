"""Lay the file tree of an image out on disk, layer upon layer, for a machine without an engine.

Layers are other people's: a member that reaches for something outside of the tree is refused, as engines do.
"""

import errno
import gzip
import json
import os
import posixpath
import re
import shutil
import tarfile
import zlib
from pathlib import Path
from typing import IO, Any

from builder.errors import KitError, UserFileError

_MOST_LINKS = 40
_REMOVED, _EMPTIED = ".wh.", ".wh..wh..opq"
"""How a layer says that something below it is gone: one name, or all that lower layers put into a folder."""

_OF_THE_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EMFILE, errno.ENFILE)
"""Errors that are no fault of a layer."""


class LayerError(KitError):
    """A layer of somebody's image cannot be applied. The message names the layer and the member, and says why."""

    exit_code = 65


_MALFORMED = (tarfile.TarError, LookupError, ValueError, TypeError)


def archive(path: Path, folder: Path) -> Path:
    """Unpack the image that `docker load` would load; returns its root below `folder`.

    The root is named by the image's digest and used again. Raises UserFileError if `path` is no archive, or one with
    a layer that reaches outside of the root.
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
                    layer(_open(opened, name), draft, name)
                draft.rename(root)
            finally:
                shutil.rmtree(draft, ignore_errors=True)
    except LayerError as error:
        raise UserFileError(path, error.message, "build it again") from error
    except _MALFORMED as error:
        raise _not_an_image(path, error) from error
    return root


def root_of(path: Path, folder: Path) -> Path:
    """Where below `folder` the image in an archive is unpacked. Raises UserFileError if `path` is no archive."""
    try:
        with tarfile.open(path) as opened:
            return folder / _short_digest(json.loads(_read(opened, "manifest.json"))[0]["Config"])
    except _MALFORMED as error:
        raise _not_an_image(path, error) from error


def environment(path: Path) -> dict[str, str]:
    """The variables that a container of the archived image has."""
    try:
        with tarfile.open(path) as opened:
            config = json.loads(_read(opened, json.loads(_read(opened, "manifest.json"))[0]["Config"]))
    except _MALFORMED as error:
        raise _not_an_image(path, error) from error
    return variables(config["config"])


def variables(config: dict[str, Any]) -> dict[str, str]:
    """`Env` of an image's config as a mapping."""
    pairs = (item.partition("=") for item in config.get("Env") or [])
    return {name: value for name, _, value in pairs}


def layer(content: IO[bytes], root: Path, name: str) -> None:
    """Apply one layer, a tar or a gzipped one, to the tree at `root`. `name` is what messages call it.

    Links are followed as they would be in the image, so nothing outside of `root` is written or removed. Owners and
    devices are left out; whoever unpacks may write everywhere. Raises LayerError for a member that leads out of the
    image or does not fit what is there.
    """
    fresh: set[Path] = set()
    member: tarfile.TarInfo | None = None
    try:
        with plain(content) as uncompressed, tarfile.open(fileobj=uncompressed, mode="r|") as opened:
            for member in opened:
                if path := _path(member.name):
                    _apply(opened, member, path, root, fresh)
    except (LayerError, OSError, EOFError, ValueError, OverflowError, zlib.error, tarfile.TarError) as error:
        if isinstance(error, OSError) and error.errno in _OF_THE_DISK:
            raise
        where = f"layer {name}, {member.name!r}" if member else f"layer {name}"
        raise LayerError(f"{where}: {getattr(error, 'strerror', None) or error}") from error


def _apply(opened: tarfile.TarFile, member: tarfile.TarInfo, path: str, root: Path, fresh: set[Path]) -> None:
    folder, _, name = path.rpartition("/")
    place = inside(root, folder) / name
    if name == _EMPTIED:
        for below in place.parent.iterdir() if place.parent.is_dir() else ():
            if below not in fresh:
                _remove(below)
    elif name.startswith(_REMOVED):
        removed = name.removeprefix(_REMOVED)
        if removed in ("", ".", ".."):
            raise LayerError("removes a folder instead of something in it")
        _remove(place.with_name(removed))
    else:
        _write(opened, member, place, root)
        fresh.add(place)


def _path(name: str) -> str:
    """A member's path, empty for the root itself. Raises LayerError if it leads out of the image."""
    path = posixpath.normpath(name)
    if path.startswith("/"):
        raise LayerError("is an absolute name")
    if path.split("/")[0] == ".." or name.rstrip("/").split("/")[-1] == "..":
        raise LayerError("leads out of the image")
    return "" if path == "." else name.rstrip("/")


def inside(root: Path, path: str, *, follow: bool = True) -> Path:
    """Where a path of the image lies below `root`, links followed as in the image; the last part too if `follow`.

    Raises LayerError for a link that leads to itself.
    """
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
                raise LayerError(f"/{path} of the image is a link that leads to itself")
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
        if _climbs_out(member):
            raise LayerError(f"is a link to {member.linkname}, which leads out of the image")
        place.symlink_to(member.linkname)
    elif member.islnk():
        try:
            linked = _path(member.linkname)
        except LayerError as error:
            raise LayerError(f"is a hard link to {member.linkname}, which {error}") from error
        os.link(inside(root, linked, follow=False), place, follow_symlinks=False)
    else:
        content = opened.extractfile(member)
        assert content  # noqa: S101 - it is a file
        with place.open("wb") as target:
            shutil.copyfileobj(content, target)
        place.chmod(member.mode & 0o777 | 0o400)
        os.utime(place, (member.mtime, member.mtime))  # bytecode of a base may depend on it


def _climbs_out(link: tarfile.TarInfo) -> bool:
    """Whether a relative link goes up further than its image is deep. An absolute one begins at the image's root."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(link.name), link.linkname)).split("/")[0] == ".."


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
    """The beginning of the digest that names an image's config. It names a folder here, so it must be a digest."""
    digest = str(config).rpartition("/")[2][:16]
    if not re.fullmatch("[0-9a-f]{16}", digest):
        raise ValueError(f"its config is called {config}")
    return digest


def _not_an_image(path: Path, error: Exception) -> UserFileError:
    return UserFileError(path, f"is not an image archive: {error}", "build it again")


def _read(opened: tarfile.TarFile, name: str) -> bytes:
    return _open(opened, name).read()


def _open(opened: tarfile.TarFile, name: str) -> IO[bytes]:
    member = opened.extractfile(name)
    if member is None:
        raise KeyError(name)
    return member
