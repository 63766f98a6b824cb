"""From the manifest to a verified image: the whole of a build, step by step."""

import json
import platform as host
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table

from builder import (
    containerfile,
    engine,
    layering,
    paths,
    payload,
    platforms,
    progress,
    provenance,
    pushing,
    run_configs,
    sandbox,
    servers,
    staging,
    trees,
    variant,
    verification,
)
from builder.engine import Engine
from builder.errors import KitError, UnreachableError, UsageError
from builder.image import archive, oci
from builder.image.layers import BlobStore
from builder.image.oci import Image, Settings
from builder.manifest import Manifest
from builder.platforms import Platform
from builder.pushing import Pushed
from builder.stage import Stage
from builder.staging import BaseSource
from builder.tags import Tag
from builder.variant import Variant
from builder.verification import ImageVerdict

if TYPE_CHECKING:
    from builder.commands.build import Options


@dataclass(frozen=True)
class Made:
    """What a build has made before anybody sees it."""

    variant: Variant
    stages: list[Stage]
    images: list[Image]
    here: int
    """Which of them runs on this machine; the first if none does."""


def build(options: "Options") -> None:
    """Build, verify, load and write one image; what it serves goes to standard output as a table."""
    _refuse_contradictions(options)
    run_configs.check(options.run_config)
    running = _engine(options)
    store = BlobStore(paths.BLOBS)
    with staging.one_at_a_time():
        made = _make(options, store)
        if running and options.containerfile:
            verdict = _in_engine(options, made, running)
        else:
            verdict = _archived(options, made, store, running)
    variant.report_cost(made.stages[made.here], made.variant)
    _show(options, made.images, verdict, _pushed(options) if options.push else None)


def _pushed(options: "Options") -> Pushed:
    return pushing.send(options.tag, options.archive, plain_http=options.plain_http, unverified=not options.verify)


def _refuse_contradictions(options: "Options") -> None:
    if options.push:
        pushing.check(options.tag)
    others = {
        "--no-load": options.load is False,
        "--push": options.push,
        "--base-image": options.base_image is not None,
        "--platform for another processor": options.platforms != (platforms.of_machine(host.machine()),),
    }
    if options.containerfile and (given := [option for option, is_given in others.items() if is_given]):
        raise UsageError(f"--containerfile does not go with {', '.join(given)}", "leave --containerfile out")


def _engine(options: "Options") -> Engine | None:
    """The engine that takes part. Raises UnreachableError if the image is to get into one and none answers."""
    if options.load is False:
        return None
    if not (options.load or options.containerfile):
        return engine.find_or_warn("the image is built all the same, and not loaded")
    if running := engine.find():
        return running
    work = "build the Containerfile" if options.containerfile else "load the image"
    raise UnreachableError(f"no engine answers to {work}", "start Docker or Podman, or set DOCKER_HOST")


def _make(options: "Options", store: BlobStore) -> Made:
    built = variant.choose(options.added, options.removed)
    source = BaseSource(options.base_image, options.plain_http, options.debian_mirror, options.locked)
    stages = staging.stages(built.lock, options.platforms, source, store)
    images = [_image(options, store, staged, built.chosen) for staged in stages]
    made = Made(built, stages, images, _host_index(options.platforms))
    if not options.base_image and images[made.here].platform == platforms.of_machine(host.machine()):
        containerfile.lay_out(images[made.here], store)
    return made


def _archived(options: "Options", made: Made, store: BlobStore, running: Engine | None) -> ImageVerdict | None:
    """Write the archive, load it where there is an engine, and verify it."""
    image = made.images[made.here]
    with archive.prepared(options.archive, store, made.images, options.tag, image) as written:
        if running:
            _load(running, written, options.tag, image)
        return _verified(options, image.digest, made, running)


def _in_engine(options: "Options", made: Made, running: Engine) -> ImageVerdict | None:
    """Have the engine build the Containerfile, and verify what comes out; it stays in the engine."""
    with progress.step("engine", f"builds {containerfile.FILE} at {running.address}"):
        image_id = running.build(paths.PLACE, containerfile.FILE, options.tag, provenance.read().labels())
    return _verified(options, image_id, made, running)


def _image(options: "Options", store: BlobStore, staged: Stage, chosen: Manifest) -> Image:
    origin = provenance.read()
    settings = Settings(
        user=payload.USER,
        entrypoint=payload.ENTRYPOINT,
        environment=staged.base.environment | payload.ENVIRONMENT,
        port=payload.PORT,
        labels=origin.labels() | staged.base.labels,
        created=origin.created,
        inherited=staged.base.inherited,
    )
    with progress.step("layers", staged.platform.name) as step:
        layers = layering.layers_of(staged, store, chosen, options.run_config)
        image = oci.assemble(store, staged.platform, layers, settings)
        trees.remember(image, staged)
        step.detail = f"{len(layers)}, {progress.megabytes(image.size)} compressed"
    return image


def _host_index(built: tuple[Platform, ...]) -> int:
    """Which of the built platforms runs here; the first one if none does."""
    here = platforms.of_machine(host.machine())
    return built.index(here) if here in built else 0


def _load(running: Engine, written: Path, tag: Tag, image: Image) -> None:
    if not running.holds(tag, {image.digest, image.config_digest}):
        with progress.step("load", f"into the engine at {running.address}"):
            running.load(written)


def _verified(options: "Options", digest: str, made: Made, running: Engine | None) -> ImageVerdict | None:
    """The verdict on the image; None if it was not asked for or cannot be had on this machine."""
    staged = made.stages[made.here]
    if not options.verify:
        return None
    if verdict := verification.verdict_on(digest):
        return verdict
    if staged.platform != platforms.of_machine(host.machine()):
        progress.warn(f"not verified: an image for {staged.platform.name} does not run here")
        return None
    if running is None and (why := sandbox.why_unavailable()):
        progress.warn(f"not verified: no engine answers and {why}; the image was built all the same")
        return None
    try:
        verdict = _verify(options, staged, made.variant.chosen, running)
    except BaseException as error:  # a signal, too: an engine keeps nothing that was not verified
        if isinstance(error, KitError):
            verification.remember_failure(digest, error.message.partition("\n")[0])
        if running:
            running.forget(options.tag)
        raise
    verification.remember(digest, verdict)
    return verdict


def _verify(options: "Options", staged: Stage, chosen: Manifest, running: Engine | None) -> ImageVerdict:
    with progress.step("verify", "starting the image") as step:
        environment = staged.base.environment | payload.ENVIRONMENT
        start = servers.in_container(running, options.tag) if running else servers.in_sandbox(staged.root, environment)
        verdict = verification.verify(start, chosen)
        step.detail = f"healthy after {verdict.seconds_to_healthy} s in {verdict.where}"
    return verdict


def _show(options: "Options", images: list[Image], verdict: ImageVerdict | None, pushed: Pushed | None) -> None:
    built = [] if options.containerfile else images  # an engine's own image has a digest of its own
    if options.json:
        document = {
            "tag": str(options.tag),
            "archive": None if options.containerfile else str(options.archive),
            "images": [
                {"platform": image.platform.name, "digest": image.digest, "size": image.size} for image in built
            ],
            "verified": asdict(verdict) if verdict else None,
            "pushed": pushed.document() if pushed else None,
        }
        progress.out.print_json(json.dumps(document))
        return
    if verdict:
        table = Table("API", "provider", "type", "resolved", box=None, pad_edge=False, header_style="bold")
        for row in verdict.rows:
            style = "dim" if row.resolved == "off" else ""
            table.add_row(row.api, row.provider or "-", row.provider_type, row.resolved, style=style)
        progress.out.print(table)
        if any(row.resolved == "off" for row in verdict.rows):
            progress.out.print("off: shipped; run.yaml switches it on by an environment variable", style="dim")
    for image in built:
        progress.out.print(f"{options.tag}  {image.platform.name}  {image.digest}")
    if options.containerfile:
        progress.out.print(f"{options.tag} is in the engine")
    else:
        progress.out.print(f"written to {paths.shown(options.archive)}")
    if pushed:
        progress.out.print(f"pushed as {pushed.tag}  {pushed.digest}")
