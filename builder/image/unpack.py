"""Lay the file tree of an archived image out on disk, for a machine without an engine."""

import gzip
import json
import shutil
import tarfile
from pathlib import Path
from typing import IO, Any

from builder.errors import UserFileError


def archive(path: Path, folder: Path) -> Path:
    """Unpack the image that `docker load` would load; returns its root below `folder`.

    The root is named by the image's digest and used again. Raises UserFileError if `path` is no archive.
    """
    try:
        with tarfile.open(path) as opened:
            image: dict[str, Any] = json.loads(_read(opened, "manifest.json"))[0]
            root = folder / str(image["Config"]).rpartition("/")[2][:16]
            if root.is_dir():
                return root
            draft = folder / f".{root.name}.part"
            shutil.rmtree(draft, ignore_errors=True)
            draft.mkdir(parents=True)
            try:
                for name in image["Layers"]:
                    # tarfile's own decompression would stop after the first gzip member
                    with gzip.open(_open(opened, name)) as plain, tarfile.open(fileobj=plain, mode="r|") as layer:
                        layer.extractall(draft, filter="tar")
                draft.rename(root)
            finally:
                shutil.rmtree(draft, ignore_errors=True)
    except (tarfile.TarError, KeyError, ValueError) as error:
        raise UserFileError(path, f"is not an image archive: {error}", "build it again") from error
    return root


def _read(opened: tarfile.TarFile, name: str) -> bytes:
    return _open(opened, name).read()


def _open(opened: tarfile.TarFile, name: str) -> IO[bytes]:
    member = opened.extractfile(name)
    if member is None:
        raise KeyError(name)
    return member
