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
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"

_NOT_INHERITED = ("Cmd", "Healthcheck", "OnBuild")
"""Of the program that another image runs."""

Descriptor = dict[str, Any]


@dataclass(frozen=True)
class Inherited:
    """What an image keeps of the image below it: its config, as far as the settings do not say otherwise."""

    config: dict[str, Any] = field(default_factory=dict)
    history: tuple[dict[str, Any], ...] = ()
    """Of the layers that came with it, and of steps without a layer."""

    @property
    def layers(self) -> int:
        """How many layers the history tells of."""
        return sum(not item.get("empty_layer") for item in self.history)


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
    inherited: Inherited = field(default_factory=Inherited)


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
    below = settings.inherited
    own = [{"created": settings.created, "created_by": layer.name} for layer in layers[below.layers :]]
    config = {
        "created": settings.created,
        "architecture": platform.architecture,
        "os": "linux",
        "config": {
            **{name: value for name, value in below.config.items() if name not in _NOT_INHERITED},
            "User": settings.user,
            "ExposedPorts": {**(below.config.get("ExposedPorts") or {}), f"{settings.port}/tcp": {}},
            "Env": [f"{name}={value}" for name, value in settings.environment.items()],
            "Entrypoint": list(settings.entrypoint),
            "WorkingDir": settings.working_directory,
            "Labels": {**(below.config.get("Labels") or {}), **settings.labels},
        },
        "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in layers]},
        "history": [*below.history, *own],
    }
    config_descriptor = _write(store, CONFIG, config)
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": config_descriptor,
        "layers": [{"mediaType": layer.media_type, "digest": layer.digest, "size": layer.size} for layer in layers],
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
