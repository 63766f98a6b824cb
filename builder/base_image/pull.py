"""Fetch the image after --base-image: from its registry, or from the engine of this machine."""

import json
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from shutil import copyfileobj
from typing import IO, Any

from builder import ending, engine, paths
from builder.engine import Engine
from builder.errors import BaseImageError, UnreachableError
from builder.image import layers, oci, unpack
from builder.image.layers import BlobStore, Layer
from builder.image.oci import Inherited
from builder.image.unpack import LayerError
from builder.platforms import Platform
from builder.registry import credentials, known
from builder.registry.connection import Connection
from builder.registry.repository import Repository
from builder.tags import DEFAULT_HOST, Reference

_TAR = "application/vnd.oci.image.layer.v1.tar"
_LAYERS = {
    layers.GZIP: layers.GZIP,
    "application/vnd.docker.image.rootfs.diff.tar.gzip": layers.GZIP,
    _TAR: _TAR,
    "application/vnd.docker.image.rootfs.diff.tar": _TAR,
}
"""Media types of layers that the kit can read, and what OCI calls them."""


@dataclass(frozen=True)
class Pulled:
    """An image for one platform whose layers are in the store."""

    reference: Reference
    digest: str
    """Of its manifest, or of its config if it came from an engine."""
    config: dict[str, Any]
    own_layers: tuple[Layer, ...]
    store: BlobStore

    @property
    def key(self) -> str:
        """Determines the content."""
        return self.digest

    @property
    def environment(self) -> dict[str, str]:
        """The variables of a container."""
        return unpack.variables(self.config.get("config") or {})

    @property
    def inherited(self) -> Inherited:
        """Its config and its history; a history that does not fit the layers is replaced by a plain one."""
        history = [item for item in self.config.get("history") or [] if isinstance(item, dict)]
        found = Inherited(self.config.get("config") or {}, tuple(history))
        if found.layers == len(self.own_layers):
            return found
        return Inherited(found.config, tuple({"created_by": str(self.reference)} for _ in self.own_layers))

    def lay_out(self, root: Path) -> None:
        """Unpack the layers below `root`, with the mount points that a sandbox needs.

        Raises BaseImageError for a layer that no engine would unpack.
        """
        root.mkdir(parents=True, exist_ok=True)
        try:
            for layer in self.own_layers:
                with self.store.path(layer.digest).open("rb") as content:
                    unpack.layer(content, root, layer.digest)
            for folder in ("dev", "proc", "tmp", "mnt"):
                unpack.inside(root, folder).mkdir(parents=True, exist_ok=True)
        except (LayerError, FileExistsError) as error:
            advice = "name another image; engines refuse this one too"
            raise BaseImageError(f"{self.reference} will not do as a base: {error}", advice) from error


def pull(reference: Reference, platform: Platform, store: BlobStore, *, plain_http: bool) -> Pulled:
    """The image for a platform.

    A name with a registry is looked for there, then in an engine; one without, in an engine and then in
    Docker's registry. Raises UnreachableError, saying where it was looked for, if nobody has it, and BaseImageError
    if it is for other platforms.
    """
    running = engine.find_or_warn(f"{reference} is looked for in its registry alone")
    if running and not reference.tag.host and (found := _of_engine(running, reference, platform, store)):
        return found
    try:
        return _of_registry(reference, platform, store, plain_http=plain_http)
    except UnreachableError as error:
        if running and reference.tag.host and (found := _of_engine(running, reference, platform, store)):
            return found
        raise _nowhere(reference, running, error) from error


def _nowhere(reference: Reference, running: Engine | None, error: UnreachableError) -> UnreachableError:
    """The error for an image that was not found, with every place where it was looked for."""
    in_engine = f"the engine at {running.address} has no such image" if running else "no engine answers here"
    if reference.tag.host:
        places, advice = f"{error.message}; {in_engine}", error.advice
    else:
        places = f"{in_engine}; {DEFAULT_HOST}, where names without a registry are: {error.message}"
        advice = f"check the name; an image of another registry is written HOST/{reference}"
    return UnreachableError(f"--base-image {reference} was not found\n  {places}", advice)


def _of_registry(reference: Reference, platform: Platform, store: BlobStore, *, plain_http: bool) -> Pulled:
    host, name = reference.tag.host or DEFAULT_HOST, reference.tag.repository
    connection = Connection(host, credentials.find(host, name), plain_http=plain_http)
    repository = Repository(connection, name)
    try:
        content = _manifest(repository, reference, platform)
        document = json.loads(content)
        config = json.loads(b"".join(repository.blob(document["config"]["digest"])))
        _check_platform(config, reference, platform)
        found = [
            Layer("base", item["digest"], item["size"], diff_id, 0, _media_type(item["mediaType"], reference))
            for item, diff_id in zip(document["layers"], config["rootfs"]["diff_ids"], strict=True)
        ]
    except (ValueError, KeyError, TypeError) as error:
        raise BaseImageError(f"{reference} is no container image: {error}") from error

    def fetch(layer: Layer) -> None:
        blob = store.path(layer.digest)
        if not blob.is_file() or blob.stat().st_size != layer.size:
            store.receive(layer.digest, repository.blob(layer.digest))

    with ending.threads(3) as pool:
        list(pool.map(fetch, {layer.digest: layer for layer in found}.values()))
    known.remember(host, name, [layer.digest for layer in found])
    digest = store.add(content)
    return Pulled(reference, digest, config, tuple(found), store)


def _manifest(repository: Repository, reference: Reference, platform: Platform) -> bytes:
    """The manifest for the platform, by way of an index if there is one."""
    media_type, content = repository.manifest(reference.digest or reference.tag.tag)
    if media_type in (oci.INDEX, oci.DOCKER_INDEX):
        chosen = _choose(json.loads(content)["manifests"], reference, platform)
        media_type, content = repository.manifest(chosen)
    if media_type not in (oci.MANIFEST, oci.DOCKER_MANIFEST):
        raise BaseImageError(f"{reference} is no container image but {media_type or 'something unnamed'}")
    return content


def _of_engine(running: Engine, reference: Reference, platform: Platform, store: BlobStore) -> Pulled | None:
    with _saved(running, str(reference)) as archive:
        if archive is None:
            return None
        with tarfile.open(archive) as opened:
            (image,) = json.load(_member(opened, "manifest.json"))
            content = _member(opened, image["Config"]).read()
            config = json.loads(content)
            _check_platform(config, reference, platform)
            found = [
                _stored(_member(opened, name), diff_id, store)
                for name, diff_id in zip(image["Layers"], config["rootfs"]["diff_ids"], strict=True)
            ]
    return Pulled(reference, store.add(content), config, tuple(found), store)


@contextmanager
def _saved(running: Engine, name: str) -> Iterator[Path | None]:
    paths.BUILD.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=paths.BUILD, prefix="base-") as folder:
        archive = Path(folder) / "image.tar"
        yield archive if running.save(name, archive) else None


def _stored(content: IO[bytes], diff_id: str, store: BlobStore) -> Layer:
    """A layer as the kit compresses it, from one that an engine keeps in any way."""
    with unpack.plain(content) as plain:
        made = store.compress("base", lambda stream: copyfileobj(plain, stream))
    if made.diff_id != diff_id:
        raise BaseImageError(f"the engine saved a layer {made.diff_id} that its config calls {diff_id}")
    return made


def _member(opened: tarfile.TarFile, name: str) -> IO[bytes]:
    member = opened.extractfile(name)
    if member is None:
        raise BaseImageError(f"the engine's archive has no {name}")
    return member


def _choose(manifests: list[dict[str, Any]], reference: Reference, platform: Platform) -> str:
    names = []
    for manifest in manifests:
        described = manifest.get("platform") or {}
        name = f"{described.get('os')}/{described.get('architecture')}"
        if name == platform.name:
            return str(manifest["digest"])
        names.append(name)
    raise _other_platform(reference, platform, ", ".join(name for name in names if "unknown" not in name))


def _check_platform(config: dict[str, Any], reference: Reference, platform: Platform) -> None:
    name = f"{config.get('os')}/{config.get('architecture')}"
    if name != platform.name:
        raise _other_platform(reference, platform, name)


def _other_platform(reference: Reference, platform: Platform, has: str) -> BaseImageError:
    return BaseImageError(
        f"{reference} is for {has} and not for {platform.name}", f"name a base for it, or build with --platform {has}"
    )


def _media_type(media_type: str, reference: Reference) -> str:
    if media_type not in _LAYERS:
        raise BaseImageError(
            f"{reference} has a layer that the kit cannot read: {media_type}",
            "copy it with gzip: skopeo copy --dest-compress-format gzip ...",
        )
    return _LAYERS[media_type]
