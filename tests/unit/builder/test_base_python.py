"""Which Python of a base image is taken, and what is said of a base that will not do."""

from pathlib import Path

import pytest

from builder.base_image import python
from builder.errors import BaseImageError

PATH = "/usr/local/bin:/usr/bin"
GLIBC = b"...\x00GNU C Library (GNU libc) stable release version 2.34.\n"


def _tree(root: Path, *programs: str, libc: bytes | None = GLIBC) -> Path:
    """A base with these Pythons (`usr/bin/python3.12`) and their libraries."""
    for folder in ("usr/bin", "usr/local/bin", "usr/lib64"):
        (root / folder).mkdir(parents=True)
    if libc is not None:
        (root / "usr/lib64/libc.so.6").write_bytes(libc)
        (root / "usr/lib64/libstdc++.so.6").touch()
    for program in programs:
        place = root / program
        place.touch()
        library = place.parent.parent / "lib" / place.name
        library.mkdir(parents=True)
        (library / "os.py").touch()
    return root


def test_what_python3_means_is_taken(tmp_path: Path) -> None:
    root = _tree(tmp_path, "usr/bin/python3.13", "usr/local/bin/python3.12")
    (root / "usr/local/bin/python3").symlink_to("/usr/local/bin/python3.12")
    found = python.find(root, PATH, "base:1")
    assert found == python.Interpreter("3.12", "/usr/local/bin/python3.12", "usr/local/lib/python3.12")


def test_another_is_taken_where_that_one_is_too_old(tmp_path: Path) -> None:
    root = _tree(tmp_path, "usr/bin/python3.9", "usr/bin/python3.12")
    (root / "usr/bin/python3").symlink_to("python3.9")
    assert python.find(root, PATH, "base:1").program == "/usr/bin/python3.12"


def test_the_one_behind_a_virtual_environment_is_taken(tmp_path: Path) -> None:
    root = _tree(tmp_path, "usr/bin/python3.12")
    (root / "opt/app-root/bin").mkdir(parents=True)
    (root / "opt/app-root/bin/python3").symlink_to("/usr/bin/python3.12")
    assert python.find(root, f"/opt/app-root/bin:{PATH}", "base:1").program == "/usr/bin/python3.12"


def test_everything_that_is_missing_is_said(tmp_path: Path) -> None:
    root = _tree(tmp_path, "usr/bin/python3.9", libc=GLIBC.replace(b"2.34", b"2.17"))
    (root / "usr/bin/python3").symlink_to("python3.9")
    (root / "usr/lib64/libstdc++.so.6").unlink()
    with pytest.raises(BaseImageError) as caught:
        python.find(root, PATH, "base:1")
    assert caught.value.exit_code == 65
    for words in (
        "base:1 will not do",
        "its glibc is 2.17; the wheels need 2.28 or later",
        "libstdc++.so.6 is missing",
        "its Python is 3.9 (/usr/bin/python3.9); the lock is for 3.12 or 3.13",
    ):
        assert words in caught.value.message


def test_musl_and_no_python_are_said(tmp_path: Path) -> None:
    root = _tree(tmp_path, libc=None)
    (root / "lib").mkdir()
    (root / "lib/libc.musl-x86_64.so.1").touch()
    with pytest.raises(BaseImageError, match=r"musl(.|\n)*no Python on its PATH"):
        python.find(root, PATH, "base:1")


def test_a_python_without_its_library_is_said(tmp_path: Path) -> None:
    root = _tree(tmp_path, "usr/bin/python3.12")
    (root / "usr/lib/python3.12/os.py").unlink()
    with pytest.raises(BaseImageError, match=r"/usr/bin/python3.12 has no standard library"):
        python.find(root, PATH, "base:1")
