"""What is laid into a stage for one build, and when it is compiled anew."""

import sys
from pathlib import Path

import pytest

from builder import bytecode, platforms
from builder.debian.debian_base import DebianBase
from builder.image import entries
from builder.image.entries import Entry
from builder.stage import Stage

HOME = "opt/kit"


class _Base(DebianBase):
    """One whose Python is that of the tests."""

    python_version = f"{sys.version_info.major}.{sys.version_info.minor}"


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path / "stage", platforms.AMD64, _Base(()), compiler=None)


def _wanted(code: bytes = b"x = 1\n", config: bytes = b"a: 1\n") -> list[Entry]:
    return [
        entries.directory(HOME),
        entries.file(f"{HOME}/module.py", code),
        entries.file(f"{HOME}/run.yaml", config),
    ]


def _compiled(stage: Stage) -> bytes:
    (found,) = (stage.root / HOME / "__pycache__").glob("module.*.pyc")
    return found.read_bytes()


def test_a_new_config_alone_is_laid_without_compiling(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    stage.lay_on_top(HOME, _wanted())
    before = _compiled(stage)
    with monkeypatch.context() as patched:
        patched.delattr(bytecode, "compile_tree")
        stage.lay_on_top(HOME, _wanted(config=b"a: 2\n"))
    assert (stage.root / HOME / "run.yaml").read_bytes() == b"a: 2\n"
    assert _compiled(stage) == before


def test_other_code_is_compiled(stage: Stage) -> None:
    stage.lay_on_top(HOME, _wanted())
    before = _compiled(stage)
    stage.lay_on_top(HOME, _wanted(code=b"x = 2\n"))
    assert _compiled(stage) != before


def test_code_that_is_no_longer_wanted_is_gone(stage: Stage) -> None:
    stage.lay_on_top(HOME, [*_wanted(), entries.file(f"{HOME}/old.py", b"y = 1\n")])
    stage.lay_on_top(HOME, _wanted())
    assert sorted(path.name for path in (stage.root / HOME).iterdir()) == ["__pycache__", "module.py", "run.yaml"]
    assert _compiled(stage)


def test_what_an_interrupted_build_left_uncompiled_is_compiled(stage: Stage) -> None:
    entries.write_to_disk(_wanted(), stage.root)
    stage.lay_on_top(HOME, _wanted())
    assert _compiled(stage)
