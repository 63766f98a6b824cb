"""A disk that is full: which one, and how much a build needs."""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from builder import paths, room, servers
from builder.errors import NoRoomError
from tests.support import clones, small_disk
from tests.support.image import TAG, BuiltImage


def _build(clone: Path, python: str = sys.executable, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [python, "build.py", "--tag", TAG, "--no-load"]
    return subprocess.run(command, cwd=clone, env=os.environ | environment, capture_output=True, text=True, check=False)


def _check(done: subprocess.CompletedProcess[str], disk: Path, needed: int) -> None:
    assert done.returncode == 73, done.stderr
    said = re.search(
        rf"the disk at {re.escape(str(disk))} has (\d+) MB free; a first build needs about (\d+) MB", done.stderr
    )
    assert said, done.stderr
    assert int(said[1]) < int(said[2]) == needed
    assert "index" not in done.stderr.partition("error:")[2]
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("megabytes", [10, 60, 400, 900])
def test_build_is_on_a_full_disk(tmp_path: Path, megabytes: int) -> None:
    clone = clones.copy(tmp_path / "clone", history=True, environment=True)
    with small_disk.mounted(clone / "build", megabytes) as disk:
        _check(_build(clone), disk, room.BUILD)
        assert [*disk.glob("stages/.*"), *disk.glob("blobs/sha256/.*"), *disk.rglob("*.part")] == []
    assert not (clone / "dist").exists()


def test_uvs_cache_is_on_a_full_disk(tmp_path: Path) -> None:
    clone = clones.copy(tmp_path / "clone", history=True, environment=True)
    (clone / "build").mkdir()
    paths.DOWNLOADS.mkdir(parents=True, exist_ok=True)  # this may be the first test that builds
    (clone / "build" / "downloads").symlink_to(paths.DOWNLOADS)
    with small_disk.mounted(tmp_path / "cache", 60) as disk:
        _check(_build(clone, UV_CACHE_DIR=str(disk)), disk, room.CACHE)


def test_the_environment_does_not_fit(tmp_path: Path) -> None:
    with small_disk.mounted(tmp_path / "disk", 40) as disk:
        clone = clones.copy(disk / "clone")
        python = str(Path(sys.base_prefix) / "bin" / "python3")  # the tests' own has no pip
        _check(_build(clone, python), disk, room.BUILD + room.DIST)


def test_the_server_has_no_room(built: BuiltImage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with small_disk.mounted(tmp_path / "small", 5) as disk:
        monkeypatch.setattr(tempfile, "tempdir", str(disk))
        with pytest.raises(NoRoomError, match="no room for its state"), servers.in_sandbox(built.root, {}):
            pass
        assert f"the disk at {disk} has 5 MB free; a first build needs about {room.SCRATCH} MB" in room.lacking()
        assert not list(disk.iterdir())


def test_a_build_needs_no_more_than_is_said(built: BuiltImage) -> None:
    newest = max(paths.STAGES.glob("amd64-*"), key=lambda place: place.stat().st_mtime)
    base = max(_megabytes(tree) for tree in paths.STAGES.glob("python-*"))  # other tests build on other bases, too
    parts = (newest, paths.DOWNLOADS, paths.BUILD / "uv")
    taken = (
        base + sum(_megabytes(part) for part in parts) + sum(image["size"] for image in built.result["images"]) / 1e6
    )
    assert room.BUILD / 2 < taken < room.BUILD
    assert built.archive.stat().st_size / 1e6 < room.DIST
    readme = (paths.ROOT / "README.md").read_text()
    assert f"{(room.BUILD + room.DIST) / 1000:.1f} GB" in readme
    assert f"{room.CACHE / 1000:.1f} GB" in readme


def _megabytes(folder: Path) -> float:
    done = subprocess.run(["du", "--summarize", "--block-size=1000000", folder], capture_output=True, check=True)
    return int(done.stdout.split()[0])
