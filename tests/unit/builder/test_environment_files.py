"""Environment files of `build.py verify`."""

from pathlib import Path

import pytest

from builder import environment_files
from builder.errors import UserFileError


def test_it_is_read_as_docker_reads_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FROM_HERE", "here")
    file = tmp_path / "env"
    file.write_text("# a comment\n\nURL=http://vllm:8000/v1?a=b\nEMPTY=\nFROM_HERE\nNOWHERE\n")
    expected = {"URL": "http://vllm:8000/v1?a=b", "EMPTY": "", "FROM_HERE": "here", "NOWHERE": ""}
    assert environment_files.read(file) == expected


@pytest.mark.parametrize("line", ["my secret = 5", "=secret", "LINES"])
def test_a_wrong_line_is_named_without_being_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str) -> None:
    monkeypatch.setenv("LINES", "two\nsecret lines")
    file = tmp_path / "env"
    file.write_text(f"GOOD=1\n{line}\n")
    with pytest.raises(UserFileError, match="env:2: ") as raised:
        environment_files.read(file)
    assert "secret" not in raised.value.message


def test_a_file_that_is_not_there_and_one_that_is_no_text(tmp_path: Path) -> None:
    with pytest.raises(UserFileError, match="cannot be read: No such file"):
        environment_files.read(tmp_path / "absent")
    (tmp_path / "binary").write_bytes(b"A=\xff")
    with pytest.raises(UserFileError, match="not UTF-8 text"):
        environment_files.read(tmp_path / "binary")
