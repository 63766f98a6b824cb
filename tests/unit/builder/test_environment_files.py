"""Environment files of `build.py verify`."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builder import environment_files
from builder.errors import UserFileError


def test_it_is_read_as_docker_reads_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FROM_HERE", "here")
    file = tmp_path / "env"
    file.write_text("# a comment\n\nURL=http://vllm:8000/v1?a=b\nEMPTY=\nFROM_HERE\nNOWHERE\nLINES\n")
    monkeypatch.setenv("LINES", "two\nlines \n")
    expected = {
        "URL": "http://vllm:8000/v1?a=b",
        "EMPTY": "",
        "FROM_HERE": "here",
        "NOWHERE": "",
        "LINES": "two\nlines \n",
    }
    assert environment_files.read(file) == expected


@settings(deadline=None)
@given(st.text(st.sampled_from("ab =#'\"\\\t\n\r\x0b\x0c\x1c\x85\u2028\udcff"), max_size=6))
def test_what_is_written_is_read_whole(value: str) -> None:
    values = {"BEFORE": "1", "NAME": value, "AFTER": "2"}
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as environment:
        file = Path(folder) / "env"
        for name, elsewhere in environment_files.write(file, values).items():
            environment.setenv(name, elsewhere)
        assert environment_files.read(file) == values


@pytest.mark.parametrize(
    ("value", "fits"),
    [
        ("", True),
        ("a=b # c", True),
        (" a", True),
        ("a ", False),
        ("a\n", False),
        ("-----BEGIN-----\nx\n", False),
        ("a\x0cb", False),
        ("\udcff", False),
    ],
)
def test_only_what_a_line_can_hold_is_written(tmp_path: Path, value: str, fits: bool) -> None:
    elsewhere = environment_files.write(tmp_path / "env", {"NAME": value})
    assert elsewhere == ({} if fits else {"NAME": value})
    assert (tmp_path / "env").read_text() == (f"NAME={value}\n" if fits else "NAME\n")


@pytest.mark.parametrize("line", ["my secret = 5", "=secret"])
def test_a_wrong_line_is_named_without_being_shown(tmp_path: Path, line: str) -> None:
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
