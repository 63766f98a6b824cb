"""`build.py run` serves what was built, and leaves nothing behind when it is told to end."""

import filecmp
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from docker import DockerClient

from builder import engine, paths, tags, trees
from builder.image.layers import BlobStore
from tests.support import clones
from tests.support.docker_engine import DockerEngine
from tests.support.image import TAG, BuiltImage
from tests.support.process import LOOPBACK, Program, answers, free_port, hear_interrupts


@pytest.fixture
def without_engine() -> None:
    """Skips a test where an engine would serve the image."""
    if engine.find():
        pytest.skip("an engine answers here, and would serve the image")


@pytest.fixture(scope="module")
def clone(built: BuiltImage, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of this clone that has the image's archive and nothing else of its build."""
    copy = clones.copy(tmp_path_factory.mktemp("run") / "clone", environment=True)
    (copy / "dist").mkdir()
    (copy / "dist" / tags.parse(TAG).file_name).symlink_to(built.archive)
    return copy


def _serve(clone: Path, log: Path, told: signal.Signals, environment: Mapping[str, str] | None = None) -> str:
    """Start the command, wait until the image is healthy, and end it; returns what it said until it served."""
    port = free_port()
    command = [sys.executable, "build.py", "run", "--tag", TAG, "--port", str(port)]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=clone,
            env={**os.environ, **(environment or {})},
            stdout=output,
            stderr=output,
            preexec_fn=hear_interrupts,
        )
        Program(command, process, log).wait_until(lambda: answers(f"http://{LOOPBACK}:{port}/v1/health"), timeout=180)
        with socket.socket() as elsewhere:
            assert elsewhere.connect_ex(("127.0.0.2", port)), "it listens on more than it says"
        process.send_signal(told)
        assert process.wait(30) == 128 + told
    with socket.socket() as again:
        again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        again.bind((LOOPBACK, port))
    assert list((clone / "build" / "data").iterdir())
    said = log.read_text(errors="replace")
    assert f"serving {TAG} on http://{LOOPBACK}:{port}" in said
    return said.partition("serving ")[0]


@pytest.mark.usefixtures("without_engine")
@pytest.mark.parametrize("told", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_until_it_is_told_to_end(clone: Path, tmp_path: Path, told: signal.Signals) -> None:
    first = not (clone / "build" / "unpacked").exists()
    said = _serve(clone, tmp_path / "log", told)
    assert ("unpacking " in said) == first


@pytest.mark.usefixtures("without_engine")
def test_where_it_was_built_nothing_is_unpacked(built: BuiltImage, tmp_path: Path) -> None:
    clone = clones.copy(tmp_path / "clone", environment=True)
    (clone / "build").mkdir()
    for name in ("stages", "blobs", "staged"):
        (clone / "build" / name).symlink_to(paths.BUILD / name)
    (clone / "dist").mkdir()
    (clone / "dist" / tags.parse(TAG).file_name).symlink_to(built.archive)
    assert _serve(clone, tmp_path / "log", signal.SIGTERM) == ""
    assert not (clone / "build" / "unpacked").exists()


def test_what_is_served_then_is_what_the_layers_hold(
    built: BuiltImage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("staged", "stages"):
        (tmp_path / name).symlink_to(paths.BUILD / name)
    store = BlobStore(paths.BLOBS)
    monkeypatch.setattr(paths, "BUILD", tmp_path)
    linked, unpacked = trees.tree_of(built.archive, store), built.root
    assert linked.parent.name == "served"
    assert _names(linked) == _names(unpacked)
    for name in _names(unpacked):
        one, other = linked / name, unpacked / name
        assert one.is_symlink() == other.is_symlink(), name
        if one.is_symlink():
            assert one.readlink() == other.readlink(), name
        elif other.is_file():
            assert filecmp.cmp(one, other, shallow=False), name
            assert os.access(one, os.X_OK) == os.access(other, os.X_OK), name


def test_an_engine_serves_it_if_one_answers(
    built: BuiltImage, clone: Path, docker_engine: DockerEngine, docker_client: DockerClient, tmp_path: Path
) -> None:
    with built.archive.open("rb") as archive:
        docker_client.images.load(archive)
    before = {container.id for container in docker_client.containers.list(all=True)}
    for told in (signal.SIGTERM, signal.SIGINT):
        said = _serve(clone, tmp_path / "log", told, {"DOCKER_HOST": docker_engine.host})
        assert said == ""
        assert {container.id for container in docker_client.containers.list(all=True)} == before


def test_an_image_that_the_engine_does_not_have_is_named(docker_engine: DockerEngine, clone: Path) -> None:
    done = subprocess.run(
        [sys.executable, "build.py", "run", "--tag", "never-built:1", "--port", str(free_port())],
        cwd=clone,
        env=os.environ | {"DOCKER_HOST": docker_engine.host},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert f"the engine at {docker_engine.host} did not start never-built:1" in done.stderr
    assert "Traceback" not in done.stderr


def _names(root: Path) -> set[str]:
    """Every file and link below a root; folders are made where they are needed."""
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_symlink() or not path.is_dir()}
