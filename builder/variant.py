"""The lock for one build: the repo's own, or one resolved for `--with` and `--without`."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from builder import image_lock, manifest, network, paths, progress, provider_types
from builder.image_lock import Inputs, Lock
from builder.manifest import Manifest
from builder.provider_types import ProviderTypes
from builder.stage import Stage

_CUDA = "nvidia-"


@dataclass(frozen=True)
class Variant:
    """What one build ships, beside what the repo's manifest does."""

    chosen: Manifest
    shipped: Manifest
    lock: Lock


def choose(added: Iterable[str] = (), removed: Iterable[str] = ()) -> Variant:
    """The repo's manifest with `--with` and `--without` applied, and its lock."""
    known_types = provider_types.load()
    shipped = manifest.load(paths.BUILD_CONFIG, known_types)
    chosen = shipped.changed(added, removed, known_types)
    return Variant(chosen, shipped, lock_for(chosen, shipped, known_types))


def lock_for(chosen: Manifest, shipped: Manifest, known_types: ProviderTypes) -> Lock:
    """The lock of the chosen manifest.

    One with fewer providers needs a part of the repo's lock, which is known without an index. One with others is
    resolved with the repo's lock as constraints, so that what both have is the same version. Of what an added
    provider needs nothing is left out.
    """
    own = image_lock.load(paths.IMAGE_LOCK, image_lock.inputs(shipped.providers, known_types))
    if chosen is shipped:
        return own
    inputs = _inputs(chosen, shipped, known_types)
    path = _place(inputs)
    if path.is_file():
        return image_lock.load(path, inputs)
    if set(chosen.providers) < set(shipped.providers):
        return image_lock.reduce(own, inputs, path)
    with progress.step("resolve", "with the lock as constraints") as step:
        resolved = image_lock.compile_lock(inputs, path, constraints=own.path)
        added = sorted(resolved.versions.keys() - own.versions.keys())
        step.detail = f"{len(added)} more packages: {', '.join(added)}" if added else "no more packages"
    if cuda := [name for name in added if name.startswith(_CUDA)]:
        progress.warn(
            f"torch comes with {len(cuda)} CUDA packages, several GB. For the CPU build, build again with "
            "UV_INDEX=URL UV_INDEX_STRATEGY=unsafe-best-match, where URL is the index of torch's CPU wheels."
        )
    return resolved


def report_cost(staged: Stage, built: Variant) -> None:
    """Say what the packages that `--with` brought in take of the image."""
    if built.chosen is built.shipped:
        return
    own = Lock(paths.IMAGE_LOCK, paths.IMAGE_LOCK.read_text(encoding="utf-8")).versions
    sizes = {wheel.name: wheel.size for wheel in staged.wheels() if wheel.name not in own}
    if sizes:
        largest = sorted(sizes, key=lambda name: -sizes[name])[:5]
        parts = ", ".join(f"{name} {progress.megabytes(sizes[name])}" for name in largest)
        added = ", ".join(
            str(provider) for provider in built.chosen.providers if provider not in built.shipped.providers
        )
        progress.err.print(f"{added} costs {progress.megabytes(sum(sizes.values()))} unpacked: {parts}")


def _inputs(chosen: Manifest, shipped: Manifest, known_types: ProviderTypes) -> Inputs:
    known = set(shipped.providers)
    kept = image_lock.inputs([provider for provider in chosen.providers if provider in known], known_types)
    added = [provider for provider in chosen.providers if provider not in known]
    if not added:
        return kept
    lines = {line for provider in added for line in known_types.packages(provider.api, provider.provider_type)}
    limits = image_lock.requirement_lines(paths.WITH_INPUTS)
    needed = _closure(tuple(sorted(lines)))
    return Inputs(
        requirements=tuple(sorted({*kept.requirements, *lines})),
        left_out=tuple(name for name in kept.left_out if name not in needed),
        limits=tuple(limits),
    )


def _place(inputs: Inputs) -> Path:
    """Where a resolution is kept, by what it was made from: its inputs, and the indexes that it was made with."""
    made_from = json.dumps([inputs.digest, network.indexes()], sort_keys=True)
    return paths.LOCKS / f"{hashlib.sha256(made_from.encode()).hexdigest()[:16]}.lock"


def _closure(lines: tuple[str, ...]) -> set[str]:
    """The names of everything these requirements need: none of it may be left out."""
    if not lines:
        return set()
    alone = Inputs(lines, ())
    path = _place(alone)
    return set((image_lock.load(path, alone) if path.is_file() else image_lock.compile_lock(alone, path)).versions)
