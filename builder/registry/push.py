"""Send an archived image to a registry: blobs that it lacks, then manifests, the tag last."""

from collections.abc import Iterable
from dataclasses import dataclass
from threading import Event

from builder import ending, progress
from builder.image.written import Blob, WrittenImage
from builder.progress import Transfers, megabytes
from builder.registry import known
from builder.registry.repository import Repository, Transfer

_AT_ONCE = 3
"""Uploads side by side, as in docker push."""


@dataclass(frozen=True)
class Delivered:
    """One blob of a pushed image."""

    digest: str
    name: str
    size: int
    how: str
    """`sent`, `there` (it was already) or `mounted` from another repository of the registry."""


def push(image: WrittenImage, repository: Repository, tag: str) -> list[Delivered]:
    """Make `tag` in the repository be this image. Nothing is tagged unless everything has arrived."""
    with progress.transfers() as shown:
        delivered = _deliver(image.blobs(), repository, shown)
    for media_type, digest in image.manifests():
        repository.put_manifest(digest, media_type, image.read(digest))
    repository.put_manifest(tag, image.media_type, image.read(image.digest))
    known.remember(repository.connection.host, repository.name, [blob.digest for blob in delivered])
    return delivered


def _deliver(blobs: Iterable[Blob], repository: Repository, shown: Transfers) -> list[Delivered]:
    stop = Event()
    first, *rest = sorted(blobs, key=lambda blob: blob.size)
    delivered = [_one(first, repository, shown, stop)]  # alone: who may not push is told so once
    with ending.threads(_AT_ONCE) as pool:
        under_way = [pool.submit(_one, blob, repository, shown, stop) for blob in reversed(rest)]
        try:
            return [*delivered, *(upload.result() for upload in under_way)]
        except BaseException:
            stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _one(blob: Blob, repository: Repository, shown: Transfers, stop: Event) -> Delivered:
    how, host = "there", repository.connection.host
    if not repository.has_blob(blob.digest):
        other = known.holder(host, blob.digest)
        if other and other != repository.name and repository.mount(blob.digest, other):
            how = "mounted"
            progress.line(how, f"{blob.name} {megabytes(blob.size)} from {host}/{other}")
        else:
            how = "sent"
            with shown.one(blob.name, blob.size) as report:
                repository.upload(blob, Transfer(report, stop))
            progress.line(how, f"{blob.name} {megabytes(blob.size)}")
    return Delivered(blob.digest, blob.name, blob.size, how)
