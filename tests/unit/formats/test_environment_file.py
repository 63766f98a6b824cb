"""Environment files for `verify --env-file`."""

from pathlib import Path

import pytest

from distribution.launch.errors import BAD_FILE, UserError
from distribution.launch.verify_command import read_environment_file


def test_it_is_read_as_docker_reads_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FROM_HERE", "here")
    file = tmp_path / "env"
    file.write_text("# a comment\n\nURL=http://vllm:8000/v1?a=b\nEMPTY=\nFROM_HERE\n")
    assert read_environment_file(file) == {"URL": "http://vllm:8000/v1?a=b", "EMPTY": "", "FROM_HERE": "here"}


def test_a_wrong_line_is_named_without_being_shown(tmp_path: Path) -> None:
    file = tmp_path / "env"
    file.write_text("GOOD=1\nmy secret = 5\n")
    with pytest.raises(UserError, match=":2: ") as raised:
        read_environment_file(file)
    assert raised.value.exit_code == BAD_FILE
    assert "secret" not in str(raised.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read"):
        read_environment_file(tmp_path / "absent")
