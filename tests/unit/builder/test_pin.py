"""The pinned llama-stack, and that code asks for it instead of naming it."""

from pathlib import Path

import pytest

from builder import paths, pin
from builder.errors import UserFileError


@pytest.mark.parametrize("line", ["llama-stack==1.2.3", "llama-stack[ui]==1.2.3  # why", "llama-stack ==1.2.3"])
def test_the_pin_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str) -> None:
    monkeypatch.setattr(paths, "IMAGE_INPUTS", tmp_path / "image.in")
    paths.IMAGE_INPUTS.write_text(f"llama-stack-client==3\n{line}\n")
    assert pin.llama_stack() == "1.2.3"


@pytest.mark.parametrize("line", ["", "llama-stack", "llama-stack>=1.2", "llama-stack==1.*"])
def test_what_is_no_pin_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str) -> None:
    monkeypatch.setattr(paths, "IMAGE_INPUTS", tmp_path / "image.in")
    paths.IMAGE_INPUTS.write_text(f"llama-stack-client==3\n{line}\n")
    with pytest.raises(UserFileError, match=r"image\.in: does not pin llama-stack"):
        pin.llama_stack()


@pytest.mark.parametrize("folder", ["benchmarks", "deploy", "distribution", "formats", "maintenance", "providers"])
def test_code_does_not_name_the_pinned_version(folder: str) -> None:
    files = [file for file in (paths.ROOT / folder).rglob("*.py") if file.is_file()]
    assert files
    assert [str(file) for file in files if pin.llama_stack() in file.read_text(encoding="utf-8")] == []
