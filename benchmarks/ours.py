"""Build this kit's image in a clone of its own, with caches of its own."""

import json
import os
import shutil
import subprocess
import sys
import tarfile
import time
from dataclasses import dataclass
from pathlib import Path

from docker import DockerClient

from builder import paths

TAG = "benchmark/ours:1"
_NOT_CLONED = shutil.ignore_patterns(".git", ".venv", "build", "dist", "__pycache__", ".*_cache")


@dataclass(frozen=True)
class Built:
    """One build."""

    seconds: float
    archive: Path
    layers: dict[str, int]
    """Path in the archive -> compressed bytes."""

    @property
    def compressed(self) -> int:
        """Bytes that a pull transfers."""
        return sum(self.layers.values())


class Clone:
    """A fresh clone: no environment, nothing built, empty package caches."""

    def __init__(self, place: Path) -> None:
        self._root = place / "clone"
        self._caches = place / "caches"
        shutil.copytree(paths.ROOT, self._root, ignore=_NOT_CLONED)

    def build(self) -> Built:
        """Type the one command and wait: environment, build, verification, archive."""
        archive = self._root / "dist" / "image.tar"
        words = [_python(), "build.py", "--tag", TAG, "--no-load", "--output", str(archive)]
        caches = {"UV_CACHE_DIR": str(self._caches / "uv"), "PIP_CACHE_DIR": str(self._caches / "pip")}
        started = time.monotonic()
        done = subprocess.run(words, cwd=self._root, env=os.environ | caches, stdout=subprocess.DEVNULL, check=False)
        seconds = time.monotonic() - started
        if done.returncode:
            raise SystemExit(f"the kit's build ended with exit code {done.returncode}")
        return Built(seconds, archive, _layers(archive))

    def edit_run_config(self) -> None:
        """Change a value of run.yaml."""
        path = self._root / "run.yaml"
        text = path.read_text(encoding="utf-8")
        path.write_text(text.replace("image_name: ", "image_name: edited-", 1), encoding="utf-8")


def load(client: DockerClient, built: Built) -> None:
    """Load an archive into the engine."""
    with built.archive.open("rb") as stream:
        client.images.load(stream)


def _python() -> str:
    """The Python that this environment was made with: what a user starts build.py with."""
    return str(Path(sys.base_prefix, "bin", f"python{sys.version_info.major}.{sys.version_info.minor}"))


def _layers(path: Path) -> dict[str, int]:
    with tarfile.open(path) as archive:
        documents = archive.extractfile("manifest.json")
        if documents is None:
            raise SystemExit(f"{path.name} holds no manifest.json")
        names: list[str] = json.load(documents)[0]["Layers"]
        return {name: archive.getmember(name).size for name in names}
