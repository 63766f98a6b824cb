"""A clone that cannot be written builds into a folder of the user's."""

import os
import subprocess
from pathlib import Path

from builder import paths, tags
from tests.support import clones, image, other_user
from tests.support.image import TAG, BuiltImage


def test_it_says_how_to_name_another_place_and_goes_on_there(tmp_path: Path) -> None:
    clone, elsewhere = clones.copy(tmp_path / "clone"), tmp_path / "elsewhere"
    user = other_user.nobody(clone, tmp_path)
    elsewhere.mkdir(mode=0o777)
    elsewhere.chmod(0o777)
    before = _read_only(clone)
    inherited = {name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "PYTHONPATH")}

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        command = [*user.command, str(user.python), "build.py", *words]
        return subprocess.run(
            command,
            cwd=clone,
            env=inherited | user.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )

    refused = run("lock", "--help")
    assert refused.returncode == 73
    assert refused.stderr.splitlines()[0] == f"build.py: {clone} cannot be written: this user may not write there"
    assert "--build-dir DIR" in refused.stderr
    done = run("lock", "--help", "--build-dir", str(elsewhere))
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("usage: build.py lock")
    assert (elsewhere / ".venv").is_dir()
    assert _names(clone) == before


def test_the_image_is_the_same(built: BuiltImage, tmp_path: Path) -> None:
    clone, elsewhere = clones.copy(tmp_path / "clone", history=True), tmp_path / "elsewhere"
    (elsewhere / "build").mkdir(parents=True)
    (elsewhere / ".venv").symlink_to(paths.ENVIRONMENT)
    for name in ("stages", "blobs", "downloads", "verdicts"):
        (elsewhere / "build" / name).symlink_to(paths.BUILD / name)
    before = _names(clone)
    archive = elsewhere / "dist" / tags.parse(TAG).file_name
    again = image.build(clone, archive, "--build-dir", str(elsewhere))
    assert again.digest == built.digest
    assert archive.is_file()
    assert (elsewhere / "Containerfile").is_file()
    assert _names(clone) == before


def _read_only(folder: Path) -> set[Path]:
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode & ~0o222)
    return _names(folder)


def _names(folder: Path) -> set[Path]:
    """What is in a clone; Python keeps bytecode where it may."""
    return {path for path in folder.rglob("*") if "__pycache__" not in path.parts and ".git" not in path.parts}
