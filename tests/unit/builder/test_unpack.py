"""Layers applied to a tree: later ones win, whiteouts remove, and nothing is written outside."""

import gzip
import io
import tarfile
from pathlib import Path

import pytest

from builder.errors import KitError
from builder.image import unpack

Member = tuple[str, bytes | str | None]
"""A path and its content: bytes for a file, where to for a link, None for a directory."""


def _layer(*members: Member) -> io.BytesIO:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for path, content in members:
            member = tarfile.TarInfo(path)
            if content is None:
                member.type, member.mode = tarfile.DIRTYPE, 0o555
            elif isinstance(content, str):
                member.type, member.linkname = tarfile.SYMTYPE, content
            else:
                member.size = len(content)
            archive.addfile(member, io.BytesIO(content if isinstance(content, bytes) else b""))
    stream.seek(0)
    return stream


def _tree(root: Path) -> set[str]:
    return {path.relative_to(root).as_posix() for path in root.rglob("*") if not path.is_dir()}


def test_later_layers_win(tmp_path: Path) -> None:
    unpack.layer(_layer(("etc", None), ("etc/a", b"one"), ("etc/b", b"one")), tmp_path)
    unpack.layer(io.BytesIO(gzip.compress(_layer(("etc/a", b"two")).read())), tmp_path)
    assert (tmp_path / "etc/a").read_bytes() == b"two"
    assert (tmp_path / "etc/b").read_bytes() == b"one"


def test_whiteouts_remove_what_is_below(tmp_path: Path) -> None:
    unpack.layer(_layer(("a/old", b""), ("a/kept", b""), ("b/old", b""), ("c/d/old", b"")), tmp_path)
    unpack.layer(_layer(("a/.wh.old", b""), ("b/new", b""), ("b/.wh..wh..opq", b""), (".wh.c", b"")), tmp_path)
    assert _tree(tmp_path) == {"a/kept", "b/new"}


def test_links_are_followed_as_in_the_image(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    root.mkdir()
    outside.mkdir()
    unpack.layer(_layer(("usr/lib", None), ("lib", "usr/lib"), ("up", "../.."), ("abs", str(outside))), root)
    unpack.layer(_layer(("lib/a", b"a"), ("up/b", b"b"), ("abs/c", b"c"), ("../../d", b"d")), root)
    assert _tree(root) == {"usr/lib/a", "b", "d", f"{outside}/c".lstrip("/")}
    assert not list(outside.iterdir())


def test_a_file_takes_the_place_of_a_link_and_a_directory(tmp_path: Path) -> None:
    unpack.layer(_layer(("target", b"kept"), ("link", "target"), ("folder/file", b"")), tmp_path)
    unpack.layer(_layer(("link", b"new"), ("folder", b"new")), tmp_path)
    assert (tmp_path / "target").read_bytes() == b"kept"
    assert (tmp_path / "link").read_bytes() == (tmp_path / "folder").read_bytes() == b"new"


@pytest.mark.parametrize("path", ["..", "a/.."])
def test_a_name_that_leads_out_is_refused(tmp_path: Path, path: str) -> None:
    with pytest.raises(KitError, match="leads out of the image"):
        unpack.layer(_layer((path, b"x")), tmp_path)


def test_a_link_to_itself_is_refused(tmp_path: Path) -> None:
    unpack.layer(_layer(("loop", "loop")), tmp_path)
    with pytest.raises(KitError, match="leads to itself"):
        unpack.inside(tmp_path, "loop/x")
