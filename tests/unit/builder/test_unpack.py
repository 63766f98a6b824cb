"""Layers applied to a tree: later ones win, whiteouts remove, and nothing is written outside."""

import errno
import gzip
import io
import json
import shutil
import tarfile
from pathlib import Path

import pytest

from builder.errors import UserFileError
from builder.image import unpack
from builder.image.unpack import LayerError

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
    unpack.layer(_layer(("etc", None), ("etc/a", b"one"), ("etc/b", b"one")), tmp_path, "l")
    unpack.layer(io.BytesIO(gzip.compress(_layer(("etc/a", b"two")).read())), tmp_path, "l")
    assert (tmp_path / "etc/a").read_bytes() == b"two"
    assert (tmp_path / "etc/b").read_bytes() == b"one"


def test_whiteouts_remove_what_is_below(tmp_path: Path) -> None:
    unpack.layer(_layer(("a/old", b""), ("a/kept", b""), ("b/old", b""), ("c/d/old", b"")), tmp_path, "l")
    unpack.layer(_layer(("a/.wh.old", b""), ("b/new", b""), ("b/.wh..wh..opq", b""), (".wh.c", b"")), tmp_path, "l")
    assert _tree(tmp_path) == {"a/kept", "b/new"}


def test_links_are_followed_as_in_the_image(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    root.mkdir()
    outside.mkdir()
    unpack.layer(_layer(("usr/lib", None), ("lib", "usr/lib"), ("a/up", ".."), ("abs", str(outside))), root, "l")
    unpack.layer(_layer(("lib/a", b"a"), ("a/up/b", b"b"), ("abs/c", b"c"), ("a/../d", b"d")), root, "l")
    assert _tree(root) == {"usr/lib/a", "b", "d", f"{outside}/c".lstrip("/")}
    assert not list(outside.iterdir())


def test_a_file_takes_the_place_of_a_link_and_a_directory(tmp_path: Path) -> None:
    unpack.layer(_layer(("target", b"kept"), ("link", "target"), ("folder/file", b"")), tmp_path, "l")
    unpack.layer(_layer(("link", b"new"), ("folder", b"new")), tmp_path, "l")
    assert (tmp_path / "target").read_bytes() == b"kept"
    assert (tmp_path / "link").read_bytes() == (tmp_path / "folder").read_bytes() == b"new"


def _hard_link(path: str, target: str) -> tarfile.TarInfo:
    member = tarfile.TarInfo(path)
    member.type, member.linkname = tarfile.LNKTYPE, target
    return member


def _of(*members: tarfile.TarInfo) -> io.BytesIO:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as opened:
        for member in members:
            opened.addfile(member)
    stream.seek(0)
    return stream


def _from_the_future() -> tarfile.TarInfo:
    member = tarfile.TarInfo("file")
    member.mtime = 2**70
    return member


HARMFUL = {
    "the image's own folder removed": (_layer((".wh..", b"")), "'.wh..'"),
    "the folder above the image removed": (_layer((".wh...", b"")), "'.wh...'"),
    "a folder removed by its own content": (_layer(("kept/.wh..", b"")), "'kept/.wh..'"),
    "the folder above removed": (_layer(("kept/.wh...", b"")), "'kept/.wh...'"),
    "an empty name removed": (_layer(("kept/.wh.", b"")), "'kept/.wh.'"),
    "a whiteout that climbs": (_layer(("kept/../../.wh.outside", b"")), "'kept/../../.wh.outside'"),
    "a folder emptied that is outside": (_layer(("../outside/.wh..wh..opq", b"")), "'../outside/.wh..wh..opq'"),
    "a name that climbs": (_layer(("../outside/file", b"x")), "leads out of the image"),
    "the folder above": (_layer(("..", b"x")), "leads out of the image"),
    "a folder by way of itself": (_layer(("kept/..", b"x")), "leads out of the image"),
    "an absolute name": (_layer(("/etc/passwd", b"x")), "is an absolute name"),
    "a link that climbs": (_layer(("kept/link", "../../outside")), "a link to ../../outside, which leads out"),
    "a hard link that climbs": (_of(_hard_link("a", "../outside/file")), "a hard link to ../outside/file, which leads"),
    "an absolute hard link": (_of(_hard_link("a", "/etc/passwd")), "a hard link to /etc/passwd, which is an absolute"),
    "a hard link to nothing": (_of(_hard_link("a", "nowhere")), "'a': No such file or directory"),
    "a file in a file": (_layer(("kept/file/below", b"")), "'kept/file/below': "),
    "a whiteout in a file": (_layer(("kept/file/.wh.below", b"")), "'kept/file/.wh.below': "),
    "a link to itself": (
        _layer(("loop", "loop"), ("loop/x", b"")),
        "'loop/x': /loop of the image is a link that leads",
    ),
    "a time that no disk knows": (_of(_from_the_future()), "'file': "),
    "no tar": (io.BytesIO(b"no tar at all"), "layer sha256:1"),
    "half a gzip stream": (io.BytesIO(gzip.compress(bytes(9999))[:20]), "layer sha256:1"),
    "a broken gzip stream": (io.BytesIO(b"\x1f\x8b" + bytes(99)), "layer sha256:1"),
}


@pytest.mark.parametrize("name", HARMFUL)
def test_a_layer_that_reaches_outside_or_does_not_fit_is_refused(tmp_path: Path, name: str) -> None:
    layer, message = HARMFUL[name]
    root, outside = tmp_path / "root", tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_bytes(b"mine")
    unpack.layer(_layer(("kept/file", b"kept")), root, "sha256:0")

    with pytest.raises(LayerError) as caught:
        unpack.layer(layer, root, "sha256:1")

    assert caught.value.message.startswith("layer sha256:1")
    assert message in caught.value.message
    assert caught.value.exit_code == 65
    assert (root / "kept/file").read_bytes() == b"kept"
    assert _tree(outside) == {"file"}
    assert (outside / "file").read_bytes() == b"mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["outside", "root"]


def test_a_hard_link_to_a_link_is_that_link(tmp_path: Path) -> None:
    unpack.layer(_layer(("link", "/etc/passwd")), tmp_path, "l")
    unpack.layer(_of(_hard_link("second", "./link")), tmp_path, "l")
    assert (tmp_path / "second").readlink() == Path("/etc/passwd")


def test_a_full_disk_is_no_fault_of_the_layer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(shutil, "copyfileobj", full)
    with pytest.raises(OSError, match="No space left on device"):
        unpack.layer(_layer(("file", b"x")), tmp_path, "l")


@pytest.mark.parametrize("config", ["..", "/", "blobs/sha256/../../..", "x" * 64, 5])
def test_an_archive_whose_config_is_no_digest_is_refused(tmp_path: Path, config: object) -> None:
    archive, document = tmp_path / "image.tar", json.dumps([{"Config": config, "Layers": []}]).encode()
    archive.write_bytes(_layer(("manifest.json", document)).read())
    with pytest.raises(UserFileError, match="is not an image archive"):
        unpack.archive(archive, tmp_path / "unpacked")
    assert not (tmp_path / "unpacked").exists()


def test_an_archive_with_a_harmful_layer_is_refused_and_named(tmp_path: Path) -> None:
    archive, harmful = tmp_path / "image.tar", _layer((".wh...", b"")).read()
    document = json.dumps([{"Config": "0" * 64, "Layers": ["first"]}]).encode()
    archive.write_bytes(_layer(("manifest.json", document), ("first", harmful)).read())
    with pytest.raises(UserFileError, match=r"image.tar: layer first, '.wh...': removes"):
        unpack.archive(archive, tmp_path / "unpacked")
    assert not list((tmp_path / "unpacked").iterdir())
    assert archive.is_file()
