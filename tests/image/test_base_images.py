"""Other people's images as the base: kept as they are, with the same server on top."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from builder import paths, platforms, tags
from builder.base_image import image_base, pull
from builder.errors import BaseImageError, UnreachableError
from builder.image import entries
from builder.image.layers import BlobStore, Layer
from tests.support import base_images, image
from tests.support.base_images import SLIM, UBI, VERSION
from tests.support.docker_engine import DockerEngine
from tests.support.image import BuiltImage
from tests.support.registry import Registry


@dataclass(frozen=True)
class Known:
    """A base image in the registry."""

    reference: str
    digest: str
    layers: list[Layer]


@pytest.fixture(scope="module")
def bases(registry: Registry, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Known]:
    """The stand-ins, by name."""
    store = BlobStore(tmp_path_factory.mktemp("bases"))
    found = {}
    for name, own_layers, config in (
        ("python", base_images.slim(store), SLIM),
        ("ubi9/python-312", base_images.ubi(store), UBI),
        ("debian", [base_images.without_python(store)], SLIM),
    ):
        repository = base_images.repository(registry.address, name)
        digest = base_images.push(repository, "1", store, own_layers, config)
        found[name] = Known(f"{repository}:1", digest, own_layers)
    return found


def _build(known: Known, folder: Path, **options: Any) -> BuiltImage:
    line = ("--base-image", known.reference, "--plain-http")
    return image.build(paths.ROOT, folder / "image.tar", *line, **options)


def _check(built: BuiltImage, known: Known) -> None:
    assert built.config["rootfs"]["diff_ids"][: len(known.layers)] == [layer.diff_id for layer in known.layers]
    labels = built.config["config"]["Labels"]
    assert labels["org.opencontainers.image.base.name"] == known.reference
    assert labels["org.opencontainers.image.base.digest"] == known.digest
    assert (built.config["config"]["User"], built.config["config"].get("Cmd")) == ("1001:0", None)
    program = "import sys, llama_stack; print(sys.prefix, '%d.%d' % sys.version_info[:2])"
    done = built.run("python", "-c", program)
    assert done.stdout.split() == ["/opt/llama-stack-python", VERSION], done.stderr


def test_python_slim_will_do(bases: dict[str, Known], tmp_path: Path) -> None:
    built = _build(bases["python"], tmp_path)
    _check(built, bases["python"])
    assert f"PYTHON_VERSION={VERSION}" in built.config["config"]["Env"]
    assert built.run(f"/usr/local/bin/python{VERSION}", "-c", "import the_bases_own").returncode == 0
    assert built.run("python3", "-c", "import the_bases_own").returncode != 0


def test_ubi_will_do_in_an_engine(bases: dict[str, Known], tmp_path: Path, docker_engine: DockerEngine) -> None:
    known = bases["ubi9/python-312"]
    built = _build(known, tmp_path, environment={"DOCKER_HOST": docker_engine.host}, load=True)
    _check(built, known)
    assert built.result["verified"]["where"].startswith("a container of")
    config = built.config["config"]
    assert "APP_ROOT=/opt/app-root" in config["Env"]
    assert config["Labels"]["com.redhat.component"] == "python-312-container"
    assert config["ExposedPorts"].keys() == {"8080/tcp", "8321/tcp"}


def test_an_engines_own_image_will_do(
    bases: dict[str, Known], docker_engine: DockerEngine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    docker_engine.client.images.pull(bases["python"].reference).tag("made-here", "1")
    monkeypatch.setenv("DOCKER_HOST", docker_engine.host)
    store = BlobStore(tmp_path)
    reference = tags.parse_reference("made-here:1", "--base-image")
    found = pull.pull(reference, platforms.AMD64, store, plain_http=False)
    assert [layer.diff_id for layer in found.own_layers] == [layer.diff_id for layer in bases["python"].layers]
    assert all(store.path(layer.digest).is_file() for layer in found.own_layers)
    assert found.environment["PYTHON_VERSION"] == VERSION


def test_a_base_without_python_is_refused(bases: dict[str, Known], tmp_path: Path) -> None:
    command = [sys.executable, "build.py", "--tag", "x:1", "--base-image", bases["debian"].reference, "--plain-http"]
    done = subprocess.run([*command, "--no-load"], cwd=paths.ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 65
    assert "it has no Python on its PATH; the lock is for Python 3.12 or 3.13" in done.stderr


def test_a_base_that_would_remove_what_is_outside_of_it_is_refused(registry: Registry, tmp_path: Path) -> None:
    store = BlobStore(tmp_path)
    harmful = store.layer("harmful", "1", lambda: [entries.file(".wh...", b"")])
    repository = base_images.repository(registry.address, "harmful")
    base_images.push(repository, "1", store, [harmful], SLIM)
    command = [sys.executable, "build.py", "--tag", "x:1", "--base-image", f"{registry.address}/harmful:1"]
    done = subprocess.run(
        [*command, "--plain-http", "--no-load"], cwd=paths.ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 65, done.stderr
    assert f"harmful:1 will not do as a base: layer {harmful.digest}, '.wh...': removes" in done.stderr
    assert paths.STAGES.is_dir()


@pytest.mark.parametrize(
    ("name", "platform", "error", "message"),
    [
        ("python:1", platforms.ARM64, BaseImageError, "is for linux/amd64 and not for linux/arm64"),
        ("python:absent", platforms.AMD64, UnreachableError, "404 MANIFEST_UNKNOWN"),
    ],
)
def test_a_base_that_is_not_to_be_had_is_refused(
    bases: dict[str, Known],
    registry: Registry,
    tmp_path: Path,
    name: str,
    platform: platforms.Platform,
    error: type[Exception],
    message: str,
) -> None:
    reference = tags.parse_reference(f"{registry.address}/{name}", "--base-image")
    with pytest.raises(error, match=message):
        image_base.prepare(reference, platform, BlobStore(tmp_path), plain_http=True)


def test_the_platforms_own_image_is_taken_from_an_index(registry: Registry, tmp_path: Path) -> None:
    store = BlobStore(tmp_path)
    repository = base_images.repository(registry.address, "several")
    digests = {
        architecture: base_images.push(repository, architecture, store, [layer], SLIM, architecture)
        for architecture, layer in (
            ("arm64", store.layer("a", "a", lambda: [entries.file("etc/arm64", b"")])),
            ("amd64", store.layer("b", "b", lambda: [entries.file("etc/amd64", b"")])),
        )
    }
    base_images.push_index(repository, "1", digests, store)
    reference = tags.parse_reference(f"{repository}:1", "--base-image")
    for platform in (platforms.AMD64, platforms.ARM64):
        found = pull.pull(reference, platform, store, plain_http=True)
        assert found.digest == digests[platform.architecture]


def test_a_base_can_be_pinned_by_digest(bases: dict[str, Known], tmp_path: Path) -> None:
    known = bases["python"]
    reference = tags.parse_reference(f"{known.reference}@{known.digest}", "--base-image")
    found = pull.pull(reference, platforms.AMD64, BlobStore(tmp_path), plain_http=True)
    assert found.digest == known.digest
    assert json.loads(found.store.path(found.digest).read_bytes())["schemaVersion"] == 2
