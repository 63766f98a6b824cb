"""Base images that stand in for well-known ones, made from what this machine has: this Python on Debian's packages."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from threading import Event
from typing import Any

from builder import platforms
from builder.debian import debian_base as debian
from builder.image import entries, oci
from builder.image.entries import Entry
from builder.image.layers import BlobStore, Layer
from builder.image.written import Blob
from builder.registry.connection import Connection
from builder.registry.repository import Repository, Transfer

VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
_LIBRARIES = "usr/lib/x86_64-linux-gnu"
_LEFT_OUT = re.compile(
    r"/(test|tests|idlelib|tkinter|turtledemo|ensurepip|config-[^/]*|__pycache__|site-packages)(/|$)"
)
_DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"

SLIM: dict[str, Any] = {
    "Env": ["PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin", f"PYTHON_VERSION={VERSION}"],
    "Cmd": ["python3"],
}
"""The config of python:slim."""

UBI: dict[str, Any] = {
    "User": "1001",
    "Env": [
        "APP_ROOT=/opt/app-root",
        "PATH=/opt/app-root/src/bin:/opt/app-root/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    ],
    "Entrypoint": ["container-entrypoint"],
    "Cmd": ["/bin/sh", "-c", "usage"],
    "WorkingDir": "/opt/app-root/src",
    "Labels": {"com.redhat.component": "python-312-container"},
    "ExposedPorts": {"8080/tcp": {}},
}
"""The config of UBI's Python images."""


def without_python(store: BlobStore) -> Layer:
    """A layer of the default base's packages that has no Python."""
    found = debian.prepare(platforms.AMD64, None, locked=True)
    return store.layer("no-python", found.key, lambda: [entry for entry in found.entries if "python" not in entry.path])


def slim(store: BlobStore) -> list[Layer]:
    """Layers with this Python under /usr/local."""
    return [without_python(store), store.layer("slim", sys.version, lambda: _once(_python("usr/local")))]


def ubi(store: BlobStore) -> list[Layer]:
    """Layers with this Python under /usr and a virtual environment at /opt/app-root, as UBI has it."""
    environment = [
        *entries.directories_to("opt/app-root/bin"),
        entries.directory("opt/app-root/src", 0o775, user=1001),
        entries.file("opt/app-root/pyvenv.cfg", f"home = /usr/bin\nversion = {VERSION}\n".encode()),
        entries.link("opt/app-root/bin/python", "python3"),
        entries.link("opt/app-root/bin/python3", f"/usr/bin/python{VERSION}"),
    ]
    return [
        without_python(store),
        store.layer("ubi", sys.version, lambda: _once(_python("usr"))),
        store.layer("app-root", VERSION, lambda: _once(environment)),
    ]


def push(
    repository: Repository,
    tag: str,
    store: BlobStore,
    own_layers: list[Layer],
    config: dict[str, Any],
    architecture: str = "amd64",
) -> str:
    """Put an image into a registry, with the media types that Docker writes; returns its digest."""
    document = {
        "architecture": architecture,
        "os": "linux",
        "config": config,
        "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in own_layers]},
        "history": [{"created_by": "ENV", "empty_layer": True}, *({"created_by": layer.name} for layer in own_layers)],
    }
    content = json.dumps(document).encode()
    described = {"mediaType": "application/vnd.docker.container.image.v1+json", "size": len(content)}
    described["digest"] = store.add(content)
    manifest = {
        "schemaVersion": 2,
        "mediaType": oci.DOCKER_MANIFEST,
        "config": described,
        "layers": [{"mediaType": _DOCKER_LAYER, "digest": one.digest, "size": one.size} for one in own_layers],
    }
    for digest in [str(described["digest"]), *(layer.digest for layer in own_layers)]:
        file = store.path(digest)
        blob = Blob(digest, file.stat().st_size, digest, file, 0)
        repository.upload(blob, Transfer(lambda done: None, Event()))
    raw = json.dumps(manifest).encode()
    repository.put_manifest(tag, oci.DOCKER_MANIFEST, raw)
    return store.add(raw)


def push_index(repository: Repository, tag: str, digests: dict[str, str], store: BlobStore) -> None:
    """Put an index of images, by architecture, into a registry; as Docker's, it begins with an attestation."""
    platforms_of = [("unknown", "unknown", next(iter(digests.values())))]
    platforms_of += [("linux", architecture, digest) for architecture, digest in digests.items()]
    manifests = [
        {
            "mediaType": oci.DOCKER_MANIFEST,
            "digest": digest,
            "size": store.path(digest).stat().st_size,
            "platform": {"os": system, "architecture": architecture},
        }
        for system, architecture, digest in platforms_of
    ]
    document = {"schemaVersion": 2, "mediaType": oci.DOCKER_INDEX, "manifests": manifests}
    repository.put_manifest(tag, oci.DOCKER_INDEX, json.dumps(document).encode())


def repository(address: str, name: str) -> Repository:
    """A repository of a registry that anybody may write to."""
    return Repository(Connection(address, None, plain_http=True), name)


def _once(found: Iterable[Entry]) -> list[Entry]:
    """Each path once: Docker refuses a layer that names one twice."""
    return list({entry.path: entry for entry in found}.values())


def _python(prefix: str) -> Iterator[Entry]:
    """This interpreter, its standard library and the shared libraries that both need."""
    own = Path(sys.base_prefix)
    yield from entries.directories_to(f"{prefix}/bin")
    yield entries.file(f"{prefix}/bin/python{VERSION}", own / f"bin/python{VERSION}", 0o755)
    yield entries.link(f"{prefix}/bin/python3", f"python{VERSION}")
    yield entries.link(f"{prefix}/bin/python", "python3")
    yield from entries.directories_to(f"{prefix}/lib")
    for entry in entries.below(own, f"lib/python{VERSION}"):
        if not _LEFT_OUT.search(entry.path):
            yield Entry(f"{prefix}/{entry.path}", entry.kind, entry.mode, entry.content, entry.target)
    yield entries.file(f"{prefix}/lib/python{VERSION}/site-packages/the_bases_own.py", b"")
    yield from entries.directories_to(_LIBRARIES)
    for library in sorted(_needed(own)):
        yield entries.file(f"{_LIBRARIES}/{library.name}", library, 0o755)


def _needed(own: Path) -> set[Path]:
    """What the dynamic linker finds here for the interpreter and its modules, glibc aside."""
    programs = [own / f"bin/python{VERSION}", *(own / f"lib/python{VERSION}/lib-dynload").glob("*.so")]
    said = subprocess.run(["ldd", *programs], capture_output=True, text=True, check=True).stdout
    found = {Path(path) for path in re.findall(r"=> (/\S+)", said)}
    return {Path(os.path.realpath(path)).with_name(path.name) for path in found if not path.name.startswith(_GLIBC)}


_GLIBC = ("libc.", "libm.", "libdl.", "libpthread.", "librt.", "libutil.", "ld-linux", "libresolv.", "libnsl.")
