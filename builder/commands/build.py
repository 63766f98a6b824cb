"""`build.py --tag ...`: from the manifest to a verified image."""

import json
import platform as host
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from filelock import FileLock, Timeout
from rich.table import Table

from builder import catalogue as catalogues
from builder import (
    engine,
    layering,
    manifest,
    paths,
    payload,
    platforms,
    progress,
    provenance,
    run_configs,
    sandbox,
    servers,
    stage,
    variant,
    verification,
)
from builder.commands import push
from builder.commands.push import Pushed
from builder.debian import base
from builder.debian.base import DebianBase
from builder.engine import Engine
from builder.errors import KitError
from builder.image import archive, oci
from builder.image.layers import BlobStore
from builder.image.oci import Image, Settings
from builder.lock import Lock
from builder.manifest import Manifest
from builder.platforms import Platform
from builder.stage import Stage
from builder.tags import Tag
from builder.verification import Verdict


@dataclass(frozen=True)
class Options:
    """What one build was asked for."""

    tag: Tag
    platforms: tuple[Platform, ...]
    run_config: Path
    output: Path
    added: tuple[str, ...]
    removed: tuple[str, ...]
    debian_mirror: str | None
    locked: bool
    load: bool
    verify: bool
    push: bool
    plain_http: bool
    json: bool


def build(options: Options) -> None:
    """Build, verify, load and write one image; what it serves goes to standard output as a table."""
    run_configs.check(options.run_config)
    if options.push:
        push.check(options.tag)
    catalogue = catalogues.load()
    shipped = manifest.load(paths.BUILD_CONFIG, catalogue)
    chosen = shipped.changed(options.added, options.removed, catalogue)
    store = BlobStore(paths.BLOBS)
    with _alone():
        lock = variant.lock_for(chosen, shipped, catalogue)
        stages = _stages(options, lock)
        images = [_image(options, store, staged, chosen) for staged in stages]
        here = _host_index(options.platforms)
        engine_here = engine.find() if options.load else None
        with archive.prepared(options.output, store, images, options.tag, images[here]) as written:
            if engine_here:
                _load(engine_here, written, options.tag, images[here])
            verdict = _verified(options, images[here], stages[here], chosen, engine_here)
    variant.report_cost(stages[here], chosen, shipped)
    pushed = _pushed(options) if options.push else None
    _show(options, images, verdict, pushed)


@contextmanager
def _alone() -> Iterator[None]:
    """One build at a time in a clone: they share its stages."""
    paths.BUILD.mkdir(parents=True, exist_ok=True)
    lock = FileLock(paths.BUILD / "build.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        progress.err.print("another build runs in this clone; waiting for it")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _stages(options: Options, lock: Lock) -> list[Stage]:
    here = platforms.of_machine(host.machine())
    bases = {platform: _base(options, platform) for platform in {here: None, **dict.fromkeys(options.platforms)}}
    compiler = stage.interpreter(bases[here])
    stages = []
    for platform in options.platforms:
        with progress.step("stage", f"{len(lock.versions)} packages for {platform.name}") as step:
            stages.append(stage.prepare(bases[platform], lock, platform, compiler))
            step.detail = f"{len(stages[-1].wheels())} packages for {platform.name}, compiled"
    return stages


def _base(options: Options, platform: Platform) -> DebianBase:
    with progress.step("base", "Debian packages") as step:
        prepared = base.prepare(platform, options.debian_mirror, locked=options.locked)
        step.detail = f"{len(prepared.fetched)} Debian packages for {platform.name}, Python {prepared.python_version}"
    for substitute in prepared.substitutes:
        progress.warn(f"a locked Debian package is to be had nowhere; another version takes its place: {substitute}")
    if prepared.substitutes:
        progress.warn("the image is labelled so and differs from the locked one; run: python build.py lock")
    return prepared


def _image(options: Options, store: BlobStore, staged: Stage, chosen: Manifest) -> Image:
    origin = provenance.of()
    labels = origin.labels()
    if staged.base.substitutes:
        labels["io.llama-stack.debian-substitutes"] = "; ".join(staged.base.substitutes)
    settings = Settings(
        user=payload.USER,
        entrypoint=payload.ENTRYPOINT,
        environment=payload.ENVIRONMENT,
        port=payload.PORT,
        labels=labels,
        created=origin.created,
    )
    with progress.step("layers", staged.platform.name) as step:
        layers = layering.cut(staged, store, chosen, options.run_config)
        image = oci.assemble(store, staged.platform, layers, settings)
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


def _verified(
    options: Options, image: Image, staged: Stage, chosen: Manifest, running: Engine | None
) -> Verdict | None:
    """The verdict on the image; None if it was not asked for or cannot be had on this machine."""
    if not options.verify:
        return None
    if verdict := verification.kept(image.digest):
        return verdict
    if staged.platform != platforms.of_machine(host.machine()):
        progress.warn(f"not verified: an image for {staged.platform.name} does not run here")
        return None
    if running is None and (why := sandbox.why_unavailable()):
        progress.warn(f"not verified: no engine answers and {why}; the image was built all the same")
        return None
    try:
        verdict = _verify(options, staged, chosen, running)
    except KitError as error:
        verification.keep_failure(image.digest, error.message.partition("\n")[0])
        if running:
            running.forget(options.tag)
        raise
    verification.keep(image.digest, verdict)
    return verdict


def _verify(options: Options, staged: Stage, chosen: Manifest, running: Engine | None) -> Verdict:
    if faults := verification.mode_faults(layering.everything(staged)):
        raise KitError("an arbitrary uid could not use the image:\n  " + "\n  ".join(faults[:20]))
    with progress.step("verify", "starting the image") as step:
        start = servers.in_container(running, options.tag) if running else servers.in_sandbox(staged.root)
        verdict = verification.verify(start, chosen)
        step.detail = f"healthy after {verdict.seconds_to_healthy} s in {verdict.where}"
    return verdict


def _pushed(options: Options) -> Pushed:
    return push.send(options.tag, options.output, plain_http=options.plain_http, unverified=not options.verify)


def _show(options: Options, images: list[Image], verdict: Verdict | None, pushed: Pushed | None) -> None:
    if options.json:
        document = {
            "tag": str(options.tag),
            "archive": str(options.output),
            "images": [
                {"platform": image.platform.name, "digest": image.digest, "size": image.size} for image in images
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
    for image in images:
        progress.out.print(f"{options.tag}  {image.platform.name}  {image.digest}")
    progress.out.print(f"written to {paths.shown(options.output)}")
    if pushed:
        progress.out.print(f"pushed as {pushed.tag}  {pushed.digest}")
