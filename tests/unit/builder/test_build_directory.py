"""What the kit makes can lie elsewhere than in the clone."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from builder import cli, containerfile, paths
from builder.image.layers import BlobStore
from tests.support import small_image

VARIABLE = "LLAMA_STACK_BUILD_DIR"


def _run(*words: str | Path, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *words], cwd=cwd, env=os.environ | environment, capture_output=True, text=True, check=False
    )


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder for what is made; the environment is there already."""
    place = tmp_path / "made"
    place.mkdir()
    (place / ".venv").symlink_to(paths.ENVIRONMENT)
    return place


def test_an_option_before_or_after_the_command_or_a_variable_moves_it(place: Path) -> None:
    line, script = ["push", "--tag", "127.0.0.1:9/a:1"], paths.ROOT / "build.py"
    for done, shown in (
        (_run(script, "--build-dir", "made", *line, cwd=place.parent), "made"),
        (_run(script, *line, f"--build-dir={place}", cwd=paths.ROOT), place),
        (_run(script, *line, cwd=paths.ROOT, **{VARIABLE: str(place)}), place),
        (_run(script, "--build-dir", place, *line, cwd=paths.ROOT, **{VARIABLE: "/nonexistent"}), place),
    ):
        assert done.returncode == 65
        assert f"error: {shown}/dist/127.0.0.1,9+a-1.tar: is not there" in done.stderr


def test_an_option_without_a_folder_is_a_usage_error() -> None:
    for word in ("--build-dir", "--build-dir="):
        done = _run("build.py", word, cwd=paths.ROOT)
        assert done.returncode == 2
        assert "--build-dir: the folder for .venv, build/ and dist/ was expected" in done.stderr


def test_a_place_that_cannot_be_made_says_how_to_name_another(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = _run("build.py", "--tag", "demo:1", cwd=paths.ROOT, **{VARIABLE: str(tmp_path / "file" / "below")})
    assert done.returncode == 73
    assert done.stderr.startswith(f"build.py: {tmp_path}/file/below cannot be written: Not a directory\n")
    assert "--build-dir DIR" in done.stderr
    assert VARIABLE in done.stderr


def test_a_build_folder_that_cannot_be_written_says_so_too(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr(paths, "BUILD", tmp_path / "file" / "build")
    assert cli.run(["verify"]) == 73
    said = capsys.readouterr().err
    assert "file/build cannot be written: " in said
    assert "--build-dir DIR" in said


def test_help_tells_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.run(["--help"])
    assert "--build-dir DIR" in capsys.readouterr().out
    assert cli.run(["--build-dri", "x", "--tag", "demo:1"]) == 2
    assert "did you mean --build-dir" in capsys.readouterr().err


def test_the_containerfile_goes_where_its_context_is(monkeypatch: pytest.MonkeyPatch, place: Path) -> None:
    monkeypatch.setattr(paths, "PLACE", place)
    monkeypatch.setattr(paths, "CONTEXT", place / "build" / "containerfile")
    store = BlobStore(place / "blobs")
    (image,) = small_image.images(store, {"base": 10})
    containerfile.lay_out(image, store)
    assert (place / "Containerfile").read_bytes() == (paths.ROOT / "Containerfile").read_bytes()
    assert (place / ".dockerignore").is_file()
    assert (place / "build/containerfile/base.tar.gz").is_file()
