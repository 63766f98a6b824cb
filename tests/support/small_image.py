"""Images of a few layers, archived as the kit archives them, for tests of what happens to archives."""

import random
from pathlib import Path

from builder import platforms, tags
from builder.image import archive, entries, oci
from builder.image.layers import BlobStore
from builder.image.oci import Image, Settings
from builder.image.written import WrittenImage
from builder.platforms import Platform

SETTINGS = Settings("1001:0", ("python",), {"PATH": "/bin"}, 8321, created="2026-01-01T00:00:00Z")


def images(
    store: BlobStore, layers: dict[str, int], config: bytes = b"", built_for: tuple[Platform, ...] = (platforms.AMD64,)
) -> list[Image]:
    """An image for each platform, of layers with so many bytes that do not compress, and one more with ``config``."""
    made = [
        store.layer(name, str(size), lambda name=name, size=size: [entries.file(name, _noise(name, size))])  # type: ignore[misc]
        for name, size in layers.items()
    ]
    made.append(store.layer("config", repr(config), lambda: [entries.file("run.yaml", config)]))
    return [oci.assemble(store, platform, made, SETTINGS) for platform in built_for]


def write(
    folder: Path,
    tag: str,
    *,
    layers: dict[str, int],
    config: bytes = b"",
    built_for: tuple[Platform, ...] = (platforms.AMD64,),
) -> WrittenImage:
    """Archive ``images``."""
    store = BlobStore(folder / "blobs")
    made = images(store, layers, config, built_for)
    parsed = tags.parse(tag)
    target = folder / parsed.file_name
    with archive.prepared(target, store, made, parsed, made[0]):
        pass
    return WrittenImage(target)


def _noise(seed: str, size: int) -> bytes:
    return random.Random(seed).randbytes(size)
