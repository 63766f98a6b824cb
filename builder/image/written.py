"""Read an image back from the archive that a build wrote."""

import json
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from builder.errors import KitError, UserFileError
from builder.image import oci
from builder.image.archive import NAME
from builder.paths import shown
from builder.tags import Tag


@dataclass(frozen=True)
class Blob:
    """A layer or config, and where on this machine its bytes are."""

    digest: str
    size: int
    name: str
    """What it holds, for people."""
    file: Path
    offset: int
    """Where in the file it begins."""


class WrittenImage:
    """The image in an archive: one manifest, or an index of several. Raises UserFileError if there is none."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with tarfile.open(path, mode="r:") as opened:
                self._places = {member.name: (member.offset_data, member.size) for member in opened if member.isfile()}
            (top,) = json.loads(self._content("index.json"))["manifests"]
            self.digest = str(top["digest"])
            self.media_type = str(top["mediaType"])
            self.name = str(top.get("annotations", {}).get(NAME, ""))
            """Registry, name and tag that it was built with; empty if the archive does not say."""
            self.read(self.digest)
        except FileNotFoundError as error:
            raise UserFileError(path, "is not there", "build it first, or name another with --archive") from error
        except (tarfile.TarError, KeyError, ValueError) as error:
            raise UserFileError(path, "is not an image archive of this kit", "build it again") from error

    def read(self, digest: str) -> bytes:
        """The bytes of a small blob."""
        return self._content(_name(digest))

    def platforms(self) -> dict[str, str]:
        """Platform -> digest of its manifest."""
        return {self._platform(manifest): digest for digest, manifest in self._manifests.items()}

    def manifests(self) -> list[tuple[str, str]]:
        """Media type and digest of each manifest below the index; none where there is no index."""
        return [(oci.MANIFEST, digest) for digest in self._manifests if digest != self.digest]

    def blobs(self) -> Iterator[Blob]:
        """Configs and layers, each once."""
        found: dict[str, Blob] = {}
        for manifest in self._manifests.values():
            config = json.loads(self.read(manifest["config"]["digest"]))
            made = [item.get("created_by", "") for item in config.get("history", []) if not item.get("empty_layer")]
            layers = manifest["layers"]
            names = made if len(made) == len(layers) else [""] * len(layers)
            for descriptor, name in zip([*layers, manifest["config"]], [*names, "image config"], strict=True):
                digest = descriptor["digest"]
                found[digest] = self._blob(digest, name if 0 < len(name) < 30 else digest[7:19])
        yield from found.values()

    @cached_property
    def _manifests(self) -> dict[str, dict[str, Any]]:
        if self.media_type != oci.INDEX:
            return {self.digest: json.loads(self.read(self.digest))}
        index = json.loads(self.read(self.digest))
        return {item["digest"]: json.loads(self.read(item["digest"])) for item in index["manifests"]}

    def _platform(self, manifest: dict[str, Any]) -> str:
        config = json.loads(self.read(manifest["config"]["digest"]))
        return f"{config['os']}/{config['architecture']}"

    def _blob(self, digest: str, name: str) -> Blob:
        offset, size = self._places[_name(digest)]
        return Blob(digest, size, name, self.path, offset)

    def _content(self, name: str) -> bytes:
        offset, size = self._places[name]
        with self.path.open("rb") as stream:
            stream.seek(offset)
            return stream.read(size)


def of_tag(path: Path, tag: Tag) -> WrittenImage:
    """The image in the archive that a tag's builds write; raises KitError if it is one of another tag."""
    image = WrittenImage(path)
    if image.name != tag.qualified:
        raise KitError(
            f"{shown(path)} holds {image.name or 'an image without a name'}, not {tag.qualified}",
            f"build it: python build.py --tag {tag}",
        )
    return image


def _name(digest: str) -> str:
    return "blobs/" + digest.replace(":", "/")
