"""OCI documents: image config, manifest and index, written to a blob store."""

import json
from dataclasses import dataclass, field
from typing import Any

from builder.image.layers import BlobStore, Layer
from builder.platforms import Platform

_PREFIX = "application/vnd.oci.image."
MANIFEST = _PREFIX + "manifest.v1+json"
INDEX = _PREFIX + "index.v1+json"
CONFIG = _PREFIX + "config.v1+json"
LAYER = _PREFIX + "layer.v1.tar+gzip"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"

Descriptor = dict[str, Any]


@dataclass(frozen=True)
class Settings:
    """How a container of the image runs."""

    user: str
    entrypoint: tuple[str, ...]
    environment: dict[str, str]
    port: int
    working_directory: str = "/"
    labels: dict[str, str] = field(default_factory=dict)
    created: str = ""


@dataclass(frozen=True)
class Image:
    """An image for one platform, all of whose blobs are in the store."""

    platform: Platform
    manifest: Descriptor
    config_digest: str
    layers: tuple[Layer, ...]

    @property
    def digest(self) -> str:
        """The image's digest, as registries and engines name it."""
        return str(self.manifest["digest"])

    @property
    def size(self) -> int:
        """Compressed bytes of all layers."""
        return sum(layer.size for layer in self.layers)

    @property
    def blobs(self) -> list[str]:
        """The digests of everything the image consists of."""
        return [self.digest, self.config_digest, *(layer.digest for layer in self.layers)]


def assemble(store: BlobStore, platform: Platform, layers: list[Layer], settings: Settings) -> Image:
    """Write the config and the manifest of an image with these layers, lowest first."""
    config = {
        "created": settings.created,
        "architecture": platform.architecture,
        "os": "linux",
        "config": {
            "User": settings.user,
            "ExposedPorts": {f"{settings.port}/tcp": {}},
            "Env": [f"{name}={value}" for name, value in settings.environment.items()],
            "Entrypoint": list(settings.entrypoint),
            "WorkingDir": settings.working_directory,
            "Labels": settings.labels,
        },
        "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in layers]},
        "history": [{"created": settings.created, "created_by": layer.name} for layer in layers],
    }
    config_descriptor = _write(store, CONFIG, config)
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": config_descriptor,
        "layers": [{"mediaType": LAYER, "digest": layer.digest, "size": layer.size} for layer in layers],
    }
    descriptor = _write(store, MANIFEST, manifest)
    descriptor["platform"] = {"architecture": platform.architecture, "os": "linux"}
    return Image(platform, descriptor, config_descriptor["digest"], tuple(layers))


def top_descriptor(store: BlobStore, images: list[Image]) -> Descriptor:
    """The descriptor a tag points to: the manifest of a single image, else an index of all."""
    if len(images) == 1:
        return images[0].manifest
    index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [image.manifest for image in images]}
    return _write(store, INDEX, index)


def encode(document: Any) -> bytes:
    """JSON with one possible spelling, so that equal documents have equal digests."""
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


def _write(store: BlobStore, media_type: str, document: Any) -> Descriptor:
    content = encode(document)
    return {"mediaType": media_type, "digest": store.add(content), "size": len(content)}
