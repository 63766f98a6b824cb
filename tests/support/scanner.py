"""Read an image as scanners of packages and licences do: its layers alone, nothing of it runs.

A scanner walks down from the root, so it does not find what lies in a folder that no layer has an entry for.
"""

import gzip
import io
import json
import posixpath
import tarfile
from collections.abc import Iterator
from email.message import Message
from email.parser import BytesParser
from pathlib import Path

from debian.deb822 import Deb822

from builder.image.written import WrittenImage

_READ = ("var/lib/dpkg/status.d/", "usr/share/doc/")
_METADATA = ".dist-info/METADATA"


class Scanned:
    """What a scanner finds in an archived image for one platform."""

    def __init__(self, archive: Path) -> None:
        self.lost: list[str] = []
        """Paths below a folder that has no entry."""
        self._folders = {""}
        self._files: dict[str, bytes] = {}
        self._links: dict[str, str] = {}
        written = WrittenImage(archive)
        for layer in json.loads(written.read(written.digest))["layers"]:
            with tarfile.open(fileobj=io.BytesIO(gzip.decompress(written.read(layer["digest"])))) as opened:
                self._read(opened)

    def debian_packages(self) -> dict[str, str]:
        """Name and version of each package that left a record."""
        records = (Deb822(content) for path, content in self._files.items() if path.startswith(_READ[0]))
        return {record["Package"]: record["Version"] for record in records}

    def debian_licence(self, package: str) -> str:
        """The text of a Debian package's copyright file; empty if there is none."""
        folder = f"usr/share/doc/{package}"
        if folder in self._links:
            folder = posixpath.normpath(posixpath.join("usr/share/doc", self._links[folder]))
        return self._files.get(f"{folder}/copyright", b"").decode()

    def python_packages(self) -> Iterator[Message]:
        """The metadata of each installed distribution."""
        for path, content in self._files.items():
            if path.endswith(_METADATA):
                yield BytesParser().parsebytes(content)

    def _read(self, opened: tarfile.TarFile) -> None:
        for member in opened:
            if posixpath.dirname(member.name) not in self._folders:
                self.lost.append(member.name)
            elif member.isdir():
                self._folders.add(member.name)
            elif member.issym():
                self._links[member.name] = member.linkname
            elif member.name.startswith(_READ) or member.name.endswith(_METADATA):
                content = opened.extractfile(member)
                assert content
                self._files[member.name] = content.read()
