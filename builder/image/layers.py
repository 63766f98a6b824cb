"""Turn entries into layers: deterministic tar archives in a content-addressed store."""

import hashlib
import io
import json
import tarfile
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO, cast

from builder import ending, paths
from builder.errors import cannot_write
from builder.image import compression, entries, permissions
from builder.image.entries import Entry, Kind

TIME = 1735689600
"""Modification time of every file, 2025-01-01: zip tools refuse 1970, and the real one would change digests."""

GZIP = "application/vnd.oci.image.layer.v1.tar+gzip"

FORMAT = f"{compression.FORMAT} time {TIME}"


@dataclass(frozen=True)
class Layer:
    """A compressed layer in the blob store."""

    name: str
    """What it holds, for people: `base`, the name of a wheel, `wheels`, `distribution`, `config`."""
    digest: str
    """`sha256:...` of the compressed bytes, the name of the blob."""
    size: int
    """Compressed bytes."""
    diff_id: str
    """`sha256:...` of the tar."""
    tar_size: int
    """Bytes of the tar; 0 if it came from elsewhere and was not measured."""
    media_type: str = GZIP


class BlobStore:
    """Content-addressed files, `sha256/<hex>` below a folder, as in an OCI layout."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, digest: str) -> Path:
        """Where the blob with this digest lies or will lie."""
        return self.root / digest.replace(":", "/")

    def add(self, content: bytes) -> str:
        """Store small content; returns its digest."""
        digest = "sha256:" + hashlib.sha256(content).hexdigest()
        paths.write_whole(self.path(digest), content)
        return digest

    def layer(self, name: str, key: str, make: Callable[[], Iterable[Entry]]) -> Layer:
        """The layer whose content `key` determines: the one made earlier, or a new one of `make()`'s entries.

        Every folder gets an entry, before what is in it. Raises KitError if an arbitrary uid could not use some entry.
        """
        known = hashlib.sha256(f"{FORMAT}\n{name}\n{key}".encode()).hexdigest()
        note = self.root / "layers" / f"{known}.json"
        if note.is_file():
            kept = Layer(**json.loads(note.read_text()))
            blob = self.path(kept.digest)
            if blob.is_file() and blob.stat().st_size == kept.size:
                return kept

        def fill(stream: BinaryIO) -> None:
            with tarfile.open(fileobj=stream, mode="w", format=tarfile.GNU_FORMAT) as archive:
                for entry in entries.with_folders(permissions.checked(make())):
                    add(archive, entry)

        layer = self.compress(name, fill)
        paths.write_whole(note, json.dumps(asdict(layer)))
        return layer

    def receive(self, digest: str, blocks: Iterable[bytes]) -> None:
        """Store what `blocks` yields under its digest; they raise if they do not add up to it."""
        path = self.path(digest)
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_suffix(".part")
        try:
            with draft.open("wb") as target:
                for block in blocks:
                    if ending.has_ended():
                        raise InterruptedError("this process was told to end")
                    target.write(block)
            draft.replace(path)
        except OSError as error:
            raise cannot_write(draft.parent, error) from error
        finally:
            draft.unlink(missing_ok=True)

    def compress(self, name: str, fill: Callable[[BinaryIO], None]) -> Layer:
        """A layer of the tar that `fill` writes to the stream it is given."""
        draft = self.root / "sha256" / f".{name}.part"
        draft.parent.mkdir(parents=True, exist_ok=True)
        try:
            with draft.open("wb") as target, compression.ParallelGzip(target) as stream:
                fill(cast(BinaryIO, stream))
                stream.close()
            layer = Layer(
                name=name,
                digest=stream.compressed_digest,
                size=stream.compressed_size,
                diff_id=stream.plain_digest,
                tar_size=stream.plain_size,
            )
            draft.replace(self.path(layer.digest))
        except OSError as error:
            raise cannot_write(draft.parent, error) from error
        finally:
            draft.unlink(missing_ok=True)
        return layer


def add(archive: tarfile.TarFile, entry: Entry) -> None:
    """Append one entry to a tar, with nothing in its header but what the entry says."""
    member = tarfile.TarInfo(entry.path)
    member.mode, member.uid, member.gid, member.mtime = entry.mode, entry.user, entry.group, TIME
    if entry.kind is Kind.DIRECTORY:
        member.type = tarfile.DIRTYPE
        archive.addfile(member)
    elif entry.kind is Kind.LINK:
        member.type, member.linkname = tarfile.SYMTYPE, entry.target
        archive.addfile(member)
    elif isinstance(entry.content, bytes):
        member.size = len(entry.content)
        archive.addfile(member, io.BytesIO(entry.content))
    else:
        member.size = entry.content.stat().st_size
        with entry.content.open("rb") as content:
            archive.addfile(member, content)
