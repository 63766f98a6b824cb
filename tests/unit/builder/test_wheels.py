"""Staged wheels: what uv leaves behind, made independent of this machine."""

import struct
from pathlib import Path

import pytest

from builder import command, platforms, wheels
from builder.debian.base import DebianBase
from builder.errors import KitError, UnreachableError
from builder.lock import Lock

SITE = "usr/local/lib/python3.13/dist-packages"


def _elf(machine: int) -> bytes:
    return b"\x7fELF" + bytes(14) + struct.pack("<H", machine) + bytes(8)


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A site directory as `uv pip install --target` leaves it, made when the kit calls uv."""
    site = tmp_path / SITE

    def install(*_: object, **__: object) -> str:
        info = site / "demo-1.0.dist-info"
        info.mkdir(parents=True)
        (site / ".lock").touch()
        (site / "bin").mkdir()
        (site / "bin" / "demo").write_text("#!/home/me/python\nimport demo\n")
        by_way_of_sh = "#!/bin/sh\n'''exec' '/my home/python' \"$0\" \"$@\"\n' '''\nimport demo\n"
        (site / "bin" / "spaced").write_text(by_way_of_sh)
        (site / "bin" / "native").write_bytes(_elf(platforms.AMD64.elf_machine))
        (site / "demo" / "tests").mkdir(parents=True)
        (site / "demo" / "tests" / "test_demo.py").touch()
        (site / "demo" / "__init__.py").write_text("x = 1\n")
        (site / "demo" / "fast.so").write_bytes(_elf(platforms.AMD64.elf_machine))
        (info / "RECORD").write_text(
            "demo/__init__.py,sha256=aa,6\ndemo/fast.so,sha256=bb,28\ndemo/tests/test_demo.py,sha256=cc,0\n"
            "bin/demo,sha256=dd,30\nbin/native,sha256=ee,28\nbin/spaced,sha256=ff,9\ndemo-1.0.dist-info/RECORD,,\n"
        )
        return ""

    monkeypatch.setattr(command, "run", install)
    return site


def _stage(tmp_path: Path, site: Path, platform: platforms.Platform = platforms.AMD64) -> None:
    wheels.stage(Lock(tmp_path / "image.lock", ""), site, tmp_path / "usr/local/bin", platform, DebianBase(()))


def test_programs_are_on_path_and_start_the_images_python(tmp_path: Path, installed: Path) -> None:
    _stage(tmp_path, installed)
    for program in (tmp_path / "usr/local/bin/demo", tmp_path / "usr/local/bin/spaced"):
        assert program.read_text() == "#!/usr/bin/python3\nimport demo\n"
        assert program.stat().st_mode & 0o777 == 0o755
    assert (tmp_path / "usr/local/bin/native").read_bytes()[:4] == b"\x7fELF"
    assert not (installed / "bin").exists()
    assert not (installed / ".lock").exists()


def test_records_say_what_is_there(tmp_path: Path, installed: Path) -> None:
    _stage(tmp_path, installed)
    (wheel,) = wheels.staged(installed)
    assert (wheel.name, wheel.version) == ("demo", "1.0")
    assert all((installed / name).is_file() for name in wheel.files)
    assert "../../../bin/demo" in wheel.files
    assert not (installed / "demo" / "tests").exists()
    assert wheel.size == 6 + 28  # moved programs have no recorded size


def test_code_for_another_processor_is_refused_by_name(tmp_path: Path, installed: Path) -> None:
    with pytest.raises(KitError, match=r"1 staged files are not for linux/arm64:\n  demo/fast.so"):
        _stage(tmp_path, installed, platforms.ARM64)


@pytest.mark.parametrize(
    ("said", "error", "message"),
    [
        (
            "error: Hash mismatch for `demo`\n  Expected: sha256:aa\n  Computed: sha256:bb",
            KitError,
            "not the file that was locked",
        ),
        ("error: error sending request for url", UnreachableError, "could not be staged"),
    ],
)
def test_uvs_refusals_are_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, error: type[KitError], message: str
) -> None:
    program = tmp_path / "uv"
    program.write_text(f"#!/bin/sh\ncat >&2 <<'END'\n{said}\nEND\nexit 2\n")
    program.chmod(0o755)
    monkeypatch.setattr(command, "uv", lambda: str(program))
    with pytest.raises(error, match=message) as caught:
        _stage(tmp_path, tmp_path / SITE)
    assert type(caught.value) is error
    assert said.splitlines()[-1].strip() in caught.value.message
