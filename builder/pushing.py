"""Send an archived image to a registry, without an engine."""

import json
import platform as host
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from builder import paths, platforms, progress, verification
from builder.errors import KitError, UsageError
from builder.image import written
from builder.image.written import WrittenImage
from builder.registry import credentials, push
from builder.registry.connection import Connection
from builder.registry.push import Delivered
from builder.registry.repository import Repository
from builder.tags import DEFAULT_HOST, Tag

if TYPE_CHECKING:
    from builder.commands.push import Options


@dataclass(frozen=True)
class Pushed:
    """What a push did."""

    tag: str
    digest: str
    blobs: tuple[Delivered, ...]

    @property
    def sent(self) -> int:
        """Bytes of the layers and configs that the registry did not have."""
        return sum(blob.size for blob in self.blobs if blob.how == "sent")

    def document(self) -> dict[str, object]:
        """As JSON."""
        return {"tag": self.tag, "digest": self.digest, "sent": self.sent, "blobs": [asdict(b) for b in self.blobs]}


def run(options: "Options") -> None:
    """Push, and say what it did on standard output. Raises UsageError if the tag names no registry."""
    check(options.tag)
    archive = options.archive or written.of_tag(paths.DIST / options.tag.file_name, options.tag).path
    done = send(options.tag, archive, plain_http=options.plain_http, unverified=not options.verified)
    if options.json:
        progress.out.print_json(json.dumps(done.document()))
    else:
        progress.out.print(f"{done.tag}  {done.digest}")


def send(tag: Tag, archive: Path, *, plain_http: bool, unverified: bool) -> Pushed:
    """Push an archive. One that failed verification is refused; one that was not verified only if it could be."""
    image = WrittenImage(archive)
    _refuse_unverified(image, archive, allowed=unverified)
    account = credentials.of_environment() or credentials.find(tag.host, tag.repository)
    repository = Repository(Connection(tag.host, account, plain_http=plain_http), tag.repository)
    with progress.step("push", f"to {tag}") as step:
        done = Pushed(str(tag), image.digest, tuple(push.push(image, repository, tag.tag)))
        there = sum(blob.how == "there" for blob in done.blobs)
        step.detail = f"{progress.megabytes(done.sent)} sent to {tag}, {there} of {len(done.blobs)} blobs were there"
    return done


def check(tag: Tag) -> None:
    """Raise UsageError if a tag names no registry to push to."""
    if not tag.host:
        raise UsageError(
            f"--tag {tag} names no registry",
            f"for example: --tag registry.internal:5000/{tag}; or {DEFAULT_HOST}/{tag}",
        )


def _refuse_unverified(image: WrittenImage, archive: Path, *, allowed: bool) -> None:
    for name, digest in image.platforms().items():
        if why := verification.failure(digest):
            raise KitError(f"{paths.shown(archive)} ({digest}) failed verification: {why}", "mend it and build again")
        here = name == platforms.of_machine(host.machine()).name
        if here and not allowed and not verification.verdict_on(digest):
            raise KitError(
                f"{paths.shown(archive)} ({digest}) was not verified here",
                "build it here without --no-verify; or push it as it is: --no-verify",
            )
