"""The files of images, to be compared one by one."""

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from builder.image.written import WrittenImage


@dataclass(frozen=True)
class Facts:
    """What a tar says of one file."""

    kind: bytes
    mode: int
    owner: tuple[int, int]
    target: str
    content: str
    """SHA-256 of a file's bytes."""


def of_tar(opened: tarfile.TarFile) -> Iterator[tuple[str, Facts]]:
    """The files of one tar, by path."""
    for member in opened:
        if path := member.name.removeprefix("./").strip("/"):
            stream = opened.extractfile(member) if member.isfile() else None
            content = hashlib.sha256(stream.read()).hexdigest() if stream else ""
            owner = (member.uid, member.gid)
            yield path, Facts(member.type, member.mode & 0o7777, owner, member.linkname, content)


def of_archive(archive: Path) -> dict[str, Facts]:
    """The files of an archived image for one platform."""
    written = WrittenImage(archive)
    found: dict[str, Facts] = {}
    for layer in json.loads(written.read(written.digest))["layers"]:
        with tarfile.open(fileobj=io.BytesIO(gzip.decompress(written.read(layer["digest"])))) as opened:
            found |= dict(of_tar(opened))
    return found


def difference(one: Path, other: Path) -> str:
    """What two archived images do not have in common, a line each; empty if they are equal."""
    first, second = of_archive(one), of_archive(other)
    lines = []
    for path in sorted(first.keys() | second.keys()):
        if path not in second or path not in first:
            lines.append(f"{path}: only in the {'first' if path in first else 'second'}")
        elif first[path] != second[path]:
            names = [field.name for field in fields(Facts)]
            differing = [name for name in names if getattr(first[path], name) != getattr(second[path], name)]
            lines.append(f"{path}: {', '.join(differing)}")
    before, after = _config(one), _config(other)
    lines += [
        f"{key}: {before.get(key)} and {after.get(key)}"
        for key in sorted(before.keys() | after.keys())
        if key != "rootfs" and before.get(key) != after.get(key)
    ]
    return "\n".join(lines)


def _config(archive: Path) -> dict[str, Any]:
    written = WrittenImage(archive)
    config: dict[str, Any] = json.loads(written.read(json.loads(written.read(written.digest))["config"]["digest"]))
    return config
