"""The lock and its inputs."""

import re
from pathlib import Path

import pytest

from builder import image_lock, manifest, paths, pin, provider_types, variant
from builder.errors import UserFileError
from builder.image_lock import Inputs, Lock

PINS = """\
alpha==1.0 \\
    --hash=sha256:00
beta-core[extra]==2.1 ; python_full_version < '3.13' \\
    --hash=sha256:11
"""


@pytest.fixture
def inputs() -> Inputs:
    return Inputs(("alpha", "beta-core[extra]"), ("gamma",))


def test_a_lock_made_from_the_inputs_is_read_with_its_versions(tmp_path: Path, inputs: Inputs) -> None:
    path = tmp_path / "image.lock"
    path.write_text(f"# written\n# inputs: sha256:{inputs.digest}\n{PINS}")
    assert image_lock.load(path, inputs).versions == {"alpha": "1.0", "beta-core": "2.1"}


def test_any_change_of_the_inputs_makes_the_lock_stale(tmp_path: Path, inputs: Inputs) -> None:
    path = tmp_path / "image.lock"
    path.write_text(f"# inputs: sha256:{inputs.digest}\n{PINS}")
    for changed in (Inputs(("alpha",), ("gamma",)), Inputs(inputs.requirements, ())):
        with pytest.raises(UserFileError) as caught:
            image_lock.load(path, changed)
        assert "older than its inputs" in caught.value.message
        assert "build.py lock" in caught.value.advice


@pytest.mark.parametrize("content", [None, "alpha==1.0\n"])
def test_a_missing_or_foreign_lock_says_what_to_run(tmp_path: Path, inputs: Inputs, content: str | None) -> None:
    path = tmp_path / "image.lock"
    if content:
        path.write_text(content)
    with pytest.raises(UserFileError) as caught:
        image_lock.load(path, inputs)
    assert caught.value.exit_code == 65
    assert "build.py lock" in caught.value.advice


def test_what_moved_is_one_line_a_package() -> None:
    before = {"same": "1", "up": "1", "gone": "3"}
    after = {"same": "1", "up": "2", "new": "4"}
    assert image_lock.moved(before, after) == ["gone 3 -> (gone)", "new (new) -> 4", "up 1 -> 2"]


def test_a_bad_line_of_a_requirements_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "image.in"
    path.write_text("# comment\nalpha>=1  # fine\nbeta>>2\n")
    monkeypatch.setattr(paths, "IMAGE_INPUTS", path)
    with pytest.raises(UserFileError, match=re.escape(f"{path}:3: `beta>>2`")):
        image_lock.inputs([], provider_types.load())


def test_the_repos_lock_belongs_to_its_inputs_and_pins_llama_stack() -> None:
    known = provider_types.load()
    shipped = manifest.load(paths.BUILD_CONFIG, known)
    versions = image_lock.load(paths.IMAGE_LOCK, image_lock.inputs(shipped.providers, known)).versions
    assert versions["llama-stack"] == versions["llama-stack-client"] == pin.llama_stack()


@pytest.mark.parametrize("name", ["image", "build", "test", "uv", "sdists"])
def test_locks_are_hashed_and_name_no_address(name: str) -> None:
    text = (paths.REQUIREMENTS / f"{name}.lock").read_text()
    pins = re.findall(r"^[a-z0-9][^\n]*==[^\n]*\\\n    --hash=sha256:[0-9a-f]{64}", text, re.MULTILINE)
    assert len(pins) == len(re.findall(r"^[a-z0-9][^\n]*==", text, re.MULTILINE)) > 0
    assert "://" not in text
    assert "index" not in text


def test_what_is_left_out_has_a_reason_and_is_in_no_lock() -> None:
    lines = [line for line in paths.LEFT_OUT.read_text().splitlines() if line and not line.startswith("#")]
    assert all(re.fullmatch(r"[a-z0-9-]+  # \S.{10,}", line) for line in lines)
    locked = image_lock.Lock(paths.IMAGE_LOCK, paths.IMAGE_LOCK.read_text()).versions
    assert not {line.split()[0] for line in lines} & locked.keys()


def test_fewer_providers_need_a_part_of_the_lock_and_no_index(monkeypatch: pytest.MonkeyPatch) -> None:
    def resolve(*_: object, **__: object) -> None:
        raise AssertionError("an index was asked")

    monkeypatch.setattr(image_lock, "compile_lock", resolve)
    known = provider_types.load()
    shipped = manifest.load(paths.BUILD_CONFIG, known)
    whole = variant.lock_for(shipped, shipped, known)
    chosen = shipped.changed([], ["eval=remote::trustyai_lmeval"], known)
    reduced = variant.lock_for(chosen, shipped, known)
    gone = whole.versions.keys() - reduced.versions.keys()
    assert {"llama-stack-provider-lmeval", "kubernetes"} <= gone
    assert reduced.versions.items() < whole.versions.items()
    assert image_lock.load(reduced.path, image_lock.inputs(chosen.providers, known)) == reduced
    assert "--hash=sha256:" in reduced.text


ANNOTATED = """\
alpha==1.0 \\
    --hash=sha256:00
beta-core[extra]==2.1 ; python_full_version < '3.13' \\
    --hash=sha256:11
    # via
    #   alpha
    #   epsilon
delta==4 \\
    --hash=sha256:33
    # via zeta
epsilon==5 \\
    --hash=sha256:44
zeta==6 \\
    --hash=sha256:55
    # via delta
via==7 \\
    --hash=sha256:66
    # via epsilon
"""


@pytest.mark.parametrize(
    ("requirements", "kept"),
    [
        (("alpha",), {"alpha", "beta-core"}),
        (("epsilon",), {"epsilon", "beta-core", "via"}),
        (("Delta>=4",), {"delta", "zeta"}),
        (("alpha", "epsilon", "delta"), {"alpha", "beta-core", "delta", "epsilon", "zeta", "via"}),
    ],
)
def test_what_is_needed_of_a_lock(tmp_path: Path, requirements: tuple[str, ...], kept: set[str]) -> None:
    inputs = Inputs(requirements, ())
    reduced = image_lock.reduce(Lock(tmp_path / "image.lock", ANNOTATED), inputs, tmp_path / "reduced.lock")
    assert reduced.versions.keys() == kept
    assert image_lock.load(reduced.path, inputs) == reduced
    for name in kept:
        block = next(match for match in ANNOTATED.split("\n") if match.startswith(f"{name}"))
        assert block in reduced.text


def test_a_lock_that_does_not_say_what_needs_what_cannot_be_reduced(tmp_path: Path, inputs: Inputs) -> None:
    with pytest.raises(UserFileError, match="does not say which package needs which"):
        image_lock.reduce(Lock(tmp_path / "image.lock", PINS), inputs, tmp_path / "reduced.lock")
