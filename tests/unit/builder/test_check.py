"""`build.py check` runs all its parts and says which failed."""

import shutil
import sys
from pathlib import Path

import pytest

from builder import cli
from builder.commands import check

PYTHON = Path(sys.executable).name


@pytest.fixture
def parts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Three small parts in place of the real ones, each of which leaves a file in this folder."""

    def program(name: str, status: int) -> tuple[str, ...]:
        text = f"open({str(tmp_path / name)!r}, 'w'); print('{name} has spoken'); exit({status})"
        return (PYTHON, "-c", text)

    parts = {name: program(name, status) for name, status in {"first": 0, "second": 3, "third": 0}.items()}
    monkeypatch.setattr(check, "PARTS", parts)
    return tmp_path


def test_all_parts_run_also_after_one_has_failed(parts: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["check"]) == 1
    assert sorted(path.name for path in parts.iterdir()) == ["first", "second", "third"]
    said = capsys.readouterr()
    assert said.out == "second has spoken\n"
    lines = said.err.splitlines()
    for name, verdict in {"first": "passed", "second": "FAILED", "third": "passed"}.items():
        assert any(line.split()[:2] == [name, verdict] and line.split()[3] == "s" for line in lines)
    assert "error: second failed" in said.err
    assert "python build.py check second" in said.err


def test_parts_can_be_chosen(parts: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["check", "third", "first"]) == 0
    assert sorted(path.name for path in parts.iterdir()) == ["first", "third"]
    assert cli.run(["check", "secnd"]) == 2
    assert "did you mean second?" in capsys.readouterr().err


def test_the_programs_of_the_real_parts_are_in_the_tests_environment() -> None:
    for program, *_ in check.PARTS.values():
        assert shutil.which(program, path=str(Path(sys.executable).parent)), program
