"""One tar that is both an OCI layout and a `docker save` archive over the same blobs.

`docker load`, `podman load` and `skopeo oci-archive:` all read it.
"""

import json
import os
import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from builder.errors import OutputError, cannot_write
from builder.image import entries, oci
from builder.image.layers import BlobStore, add
from builder.image.oci import Image
from builder.paths import shown
from builder.tags import Tag

_ELSEWHERE = "write it elsewhere with --output"
NAME = "io.containerd.image.name"
"""The annotation with an image's whole name."""
LAYOUT = b'{"imageLayoutVersion":"1.0.0"}'


@contextmanager
def prepared(target: Path, store: BlobStore, images: list[Image], tag: Tag, host: Image) -> Iterator[Path]:
    """The archive of `images` under one tag, to be used before it is declared good.

    Yields where it can be read. When the block ends well it is at `target`; when it raises, `target` is as it
    was. Docker's part of the archive knows one platform only and names `host`. Raises OutputError if the
    archive cannot be written.
    """
    documents = _documents(store, images, tag, host)
    if _index_of(target) == documents["index.json"]:
        yield target
        return
    with _draft_beside(target) as draft:
        _write(draft, target, store, documents, {blob for image in images for blob in image.blobs})
        yield draft
        try:
            draft.replace(target)
        except OSError as error:
            raise cannot_write(target, error, _ELSEWHERE) from error


@contextmanager
def _draft_beside(target: Path) -> Iterator[Path]:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        os.close(handle)
    except OSError as error:
        raise cannot_write(target, error, _ELSEWHERE) from error
    draft = Path(name)
    try:
        yield draft
    finally:
        draft.unlink(missing_ok=True)


def _write(draft: Path, target: Path, store: BlobStore, documents: dict[str, bytes], blobs: set[str]) -> None:
    top = json.loads(documents["index.json"])["manifests"][0]["digest"]
    everything = sorted({top, *blobs})
    needed = sum(store.path(blob).stat().st_size for blob in everything)
    if (free := shutil.disk_usage(draft.parent).free) < needed:
        raise OutputError(
            f"{shown(target)}: {needed // 10**6} MB are needed and {free // 10**6} MB are free",
            f"make room, or {_ELSEWHERE}",
        )
    try:
        with draft.open("wb") as stream, tarfile.open(fileobj=stream, mode="w") as archive:
            for path, content in documents.items():
                add(archive, entries.file(path, content))
            files = (entries.file("blobs/" + blob.replace(":", "/"), store.path(blob)) for blob in everything)
            for entry in entries.with_folders(files):
                add(archive, entry)
        draft.chmod(0o644)
    except OSError as error:
        raise cannot_write(target, error, _ELSEWHERE) from error


def _documents(store: BlobStore, images: list[Image], tag: Tag, host: Image) -> dict[str, bytes]:
    top = oci.top_descriptor(store, images)
    annotations = {
        "org.opencontainers.image.ref.name": tag.tag,
        NAME: tag.qualified,
    }
    index = {
        "schemaVersion": 2,
        "mediaType": oci.INDEX,
        "manifests": [{**top, "annotations": annotations}],
    }
    docker = [
        {
            "Config": "blobs/" + host.config_digest.replace(":", "/"),
            "RepoTags": [str(tag)],
            "Layers": ["blobs/" + layer.digest.replace(":", "/") for layer in host.layers],
        }
    ]
    return {"oci-layout": LAYOUT, "index.json": oci.encode(index), "manifest.json": oci.encode(docker)}


def _index_of(archive: Path) -> bytes | None:
    """The index of an archive written earlier; it is among the first members."""
    try:
        with tarfile.open(archive) as opened:
            member = opened.extractfile("index.json")
            return member.read() if member else None
    except (OSError, tarfile.TarError, KeyError):
        return None
