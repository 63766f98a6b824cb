"""Staged wheels: what uv leaves behind, made independent of this machine."""

import base64
import hashlib
import shutil
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from builder import command, network, platforms, records, wheels
from builder.debian.debian_base import DebianBase
from builder.errors import KitError, UnreachableError
from builder.image_lock import Lock

SITE = "usr/local/lib/python3.13/dist-packages"


def _elf(machine: int) -> bytes:
    return b"\x7fELF" + bytes(14) + struct.pack("<H", machine) + bytes(8)


def _row(path: Path, name: Path) -> str:
    content = path.read_bytes()
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
    return f"{name.as_posix()},sha256={digest},{len(content)}\n"


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A site directory as `uv pip install --target` leaves it, made when the kit calls uv."""
    site = tmp_path / SITE

    def install(*_: object, **__: object) -> str:
        shutil.rmtree(site, ignore_errors=True)
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
        (info / "uv_cache.json").write_text('{"timestamp": {"secs_since_epoch": 1792191675}}')
        (site / "demo" / "fast.so").write_bytes(_elf(platforms.AMD64.elf_machine))
        paths = [path for path in sorted(site.rglob("*")) if path.is_file() and path.name != ".lock"]
        rows = [_row(path, path.relative_to(site)) for path in paths]
        (info / "RECORD").write_text("".join([*rows, "demo-1.0.dist-info/RECORD,,\n"]))
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
    assert not (installed / "demo-1.0.dist-info" / "uv_cache.json").exists(), "it says when a file was made"
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


@pytest.fixture
def changing_cache(installed: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], list[list[Any]]]:
    """Makes uv install a changed file, always or only from its cache; returns the options of uv's calls."""
    install = command.run

    def change(when: str) -> list[list[Any]]:
        calls: list[list[Any]] = []

        def run(words: list[Any], **options: Any) -> str:
            calls.append(words)
            install(words, **options)
            if when == "always" or "--no-cache" not in words:
                (installed / "demo" / "__init__.py").write_text("x = 2\n")
            return ""

        monkeypatch.setattr(command, "run", run)
        return calls

    return change


def test_a_file_that_was_changed_in_uvs_cache_does_not_get_into_the_image(
    tmp_path: Path,
    installed: Path,
    changing_cache: Callable[[str], list[list[Any]]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    calls = changing_cache("from the cache")
    _stage(tmp_path, installed)
    assert (installed / "demo" / "__init__.py").read_text() == "x = 1\n"
    assert len(calls) == 2
    assert "uv's cache has changed files (demo/__init__.py)" in capsys.readouterr().err
    assert not records.changed_files(installed)


def test_a_file_that_keeps_being_changed_is_named_with_both_hashes(
    tmp_path: Path, installed: Path, changing_cache: Callable[[str], list[list[Any]]]
) -> None:
    changing_cache("always")
    hashes = [
        base64.urlsafe_b64encode(hashlib.sha256(text).digest()).decode()[:43] for text in (b"x = 1\n", b"x = 2\n")
    ]
    with pytest.raises(KitError) as caught:
        _stage(tmp_path, installed)
    wanted = f"  demo/__init__.py: sha256={hashes[0]} recorded, sha256={hashes[1]} found"
    assert wanted in caught.value.message


def test_a_file_that_is_missing_is_a_changed_one(tmp_path: Path, installed: Path) -> None:
    _stage(tmp_path, installed)
    (installed / "demo" / "fast.so").unlink()
    (changed,) = records.changed_files(installed)
    assert (changed.package, changed.path, changed.found) == ("demo", "demo/fast.so", "")


@pytest.mark.parametrize(
    ("settings", "has_all", "asked"),
    [
        ({}, True, [True]),
        ({"extra-index-url": "file:///extra"}, True, [False]),
        ({"find-links": "/wheels"}, True, [False]),
        ({"extra-index-url": "file:///extra"}, False, [False, True]),
    ],
)
def test_an_extra_index_is_asked_for_what_the_index_lacks_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], has_all: bool, asked: list[bool]
) -> None:
    calls: list[bool] = []

    def run_uv(words: list[Any], *, extra_indexes: bool = True, **_: object) -> str:
        calls.append(extra_indexes)
        if not (has_all or extra_indexes):
            raise UnreachableError("not there")
        return ""

    monkeypatch.setattr(network, "pip", lambda: network.Pip(["pip"], settings))
    monkeypatch.setattr(command, "run_uv", run_uv)
    wheels._install(["pip", "install"])
    assert calls == asked


def test_an_index_that_does_not_answer_is_waited_for_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    calls: list[tuple[bool, bool]] = []
    run_uv = command.run_uv

    def counting(words: list[Any], *, extra_indexes: bool = True, **more: Any) -> str:
        calls.append((extra_indexes, "--offline" in words))
        return run_uv(words, extra_indexes=extra_indexes, **more)

    nobody = "http://127.0.0.1:9/simple"
    settings = {"index-url": nobody, "extra-index-url": nobody}
    monkeypatch.setattr(network, "pip", lambda: network.Pip(["pip"], settings))
    monkeypatch.setattr(command, "run_uv", counting)
    for name, value in {"UV_CACHE_DIR": str(tmp_path / "cache"), "UV_HTTP_RETRIES": "0"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("UV_DEFAULT_INDEX", raising=False)
    with pytest.raises(UnreachableError, match=r"127\.0\.0\.1:9"):
        wheels._install(["pip", "install", "--python", sys.executable, "--target", str(tmp_path / "site"), "demo"])
    assert calls == [(False, False), (True, True)]
