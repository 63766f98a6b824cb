"""`build.py lock` writes locks that a build accepts, and says what moved. It asks the index that pip and uv ask."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from builder import image_lock, manifest, paths, provider_types
from builder.image_lock import Inputs, Lock
from tests.support import clones

UNREACHABLE = 69
GONE = "remote::trustyai_lmeval"
INDEX_ALONE = {"PIP_EXTRA_INDEX_URL": "", "PIP_FIND_LINKS": ""}
"""A machine's own extra index may have a release in part, which moves versions."""
KEPT = ("image", "uv", "sdists", "build", "test")


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A copy of this clone that ships one provider less and has been locked again, and what was said."""
    clone = clones.copy(tmp_path_factory.mktemp("lock") / "clone", environment=True)
    build_config = clone / "distribution" / "build.yaml"
    lines = build_config.read_text().splitlines(keepends=True)
    (at,) = [number for number, line in enumerate(lines) if GONE in line]
    del lines[at : at + 2]  # its module is on the next line
    build_config.write_text("".join(lines))
    done = subprocess.run(
        [sys.executable, "build.py", "lock"],
        cwd=clone,
        env=os.environ | INDEX_ALONE,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    if done.returncode == UNREACHABLE and "No solution found" not in done.stderr:
        pytest.skip(f"the package index or the Debian mirror is out of reach: {done.stderr}")
    assert done.returncode == 0, done.stderr
    return clone, done.stdout


def _inputs(build_config: Path) -> Inputs:
    known = provider_types.load()
    return image_lock.inputs(manifest.load(build_config, known).providers, known)


def test_the_lock_belongs_to_its_new_inputs_and_is_the_part_that_was_known_before(
    locked: tuple[Path, str], tmp_path: Path
) -> None:
    clone, _ = locked
    inputs = _inputs(clone / "distribution" / "build.yaml")
    new = image_lock.load(clone / "requirements" / "image.lock", inputs)
    whole = image_lock.load(paths.IMAGE_LOCK, _inputs(paths.BUILD_CONFIG))
    assert new.versions == image_lock.reduce(whole, inputs, tmp_path / "reduced.lock").versions
    assert new.versions.items() < whole.versions.items()


def test_what_moved_is_said_and_nothing_else_moves(locked: tuple[Path, str]) -> None:
    clone, said = locked
    whole, new = (Lock(path, path.read_text()) for path in (paths.IMAGE_LOCK, clone / "requirements" / "image.lock"))
    gone = {f"{name} {whole.versions[name]} -> (gone)" for name in whole.versions.keys() - new.versions.keys()}
    assert gone
    python = {line for line in said.splitlines() if ":" not in line.split()[0]}  # Debian's have their processor
    assert python == gone


@pytest.mark.parametrize("name", KEPT)
def test_no_version_moves_that_need_not(locked: tuple[Path, str], name: str) -> None:
    path = locked[0] / "requirements" / f"{name}.lock"
    before = Lock(path, (paths.REQUIREMENTS / path.name).read_text()).versions
    assert Lock(path, path.read_text()).versions.items() <= before.items()


def test_the_providers_are_those_of_the_pinned_llama_stack_and_of_the_kit(locked: tuple[Path, str]) -> None:
    assert (locked[0] / "requirements" / "providers.yaml").read_text() == paths.PROVIDERS.read_text()


def test_no_lock_names_an_address_or_a_path(locked: tuple[Path, str]) -> None:
    clone, _ = locked
    for path in (clone / "requirements").glob("*.lock"):
        text = path.read_text()
        assert "://" not in text, path
        assert str(clone) not in text, path
        assert "/tmp" not in text, path
