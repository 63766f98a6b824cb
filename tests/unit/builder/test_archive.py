"""The archive: one tar for three readers, complete or not there."""

import hashlib
import json
import shutil
import tarfile
from collections import namedtuple
from pathlib import Path

import pytest

from builder import platforms, tags
from builder.errors import OutputError
from builder.image import archive, compression, entries, oci, unpack
from builder.image.layers import BlobStore
from builder.image.oci import Image, Settings

TAG = tags.parse("team/demo:1")


@pytest.fixture
def store(tmp_path: Path) -> BlobStore:
    return BlobStore(tmp_path / "blobs")


def _image(store: BlobStore, platform: platforms.Platform = platforms.AMD64, text: bytes = b"one") -> Image:
    base = store.layer("base", "key", lambda: [entries.directory("data"), entries.link(".llama", "/data")])
    config = store.layer("config", hashlib.sha256(text).hexdigest(), lambda: [entries.file("run.yaml", text)])
    settings = Settings(
        "1001:0", ("python",), {"PATH": "/bin"}, 8321, labels={"a": "b"}, created="2026-01-01T00:00:00Z"
    )
    return oci.assemble(store, platform, [base, config], settings)


def _write(target: Path, store: BlobStore, images: list[Image]) -> None:
    with archive.prepared(target, store, images, TAG, images[0]):
        pass


def test_it_is_an_oci_layout_and_a_docker_archive_over_the_same_blobs(store: BlobStore, tmp_path: Path) -> None:
    image = _image(store)
    target = tmp_path / "dist" / "demo.tar"
    _write(target, store, [image])
    with tarfile.open(target) as opened:
        folders = [member.name for member in opened if member.isdir()]
        read = {member.name: opened.extractfile(member).read() for member in opened if member.isfile()}  # type: ignore[union-attr]
    assert folders == ["blobs", "blobs/sha256"]
    index, docker = json.loads(read["index.json"]), json.loads(read["manifest.json"])[0]
    assert json.loads(read["oci-layout"]) == {"imageLayoutVersion": "1.0.0"}
    descriptor = index["manifests"][0]
    assert descriptor["digest"] == image.digest
    assert descriptor["annotations"]["io.containerd.image.name"] == "docker.io/team/demo:1"
    manifest = json.loads(read["blobs/" + image.digest.replace(":", "/")])
    config = json.loads(read[docker["Config"]])
    assert docker["RepoTags"] == ["team/demo:1"]
    assert [f"blobs/{layer['digest'].replace(':', '/')}" for layer in manifest["layers"]] == docker["Layers"]
    assert config["rootfs"]["diff_ids"] == [layer.diff_id for layer in image.layers]
    assert config["config"]["User"] == "1001:0"
    assert set(docker["Layers"]) <= read.keys()


def test_the_same_image_is_the_same_file(store: BlobStore, tmp_path: Path) -> None:
    for name in ("a.tar", "b.tar"):
        _write(tmp_path / name, store, [_image(store)])
    assert (tmp_path / "a.tar").read_bytes() == (tmp_path / "b.tar").read_bytes()


def test_an_unchanged_image_is_not_written_again(store: BlobStore, tmp_path: Path) -> None:
    target = tmp_path / "demo.tar"
    _write(target, store, [_image(store)])
    before = target.stat()
    _write(target, store, [_image(store)])
    assert (target.stat().st_ino, target.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    _write(target, store, [_image(store, text=b"two")])
    assert target.stat().st_ino != before.st_ino


def test_several_platforms_are_one_index(store: BlobStore, tmp_path: Path) -> None:
    images = [_image(store), _image(store, platforms.ARM64)]
    _write(tmp_path / "demo.tar", store, images)
    with tarfile.open(tmp_path / "demo.tar") as opened:
        top = json.load(opened.extractfile("index.json"))["manifests"][0]  # type: ignore[arg-type]
        index = json.load(opened.extractfile("blobs/" + top["digest"].replace(":", "/")))  # type: ignore[arg-type]
    assert top["mediaType"] == oci.INDEX
    assert [m["platform"]["architecture"] for m in index["manifests"]] == ["amd64", "arm64"]
    assert [m["digest"] for m in index["manifests"]] == [image.digest for image in images]


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, RuntimeError])
def test_a_build_that_fails_afterwards_leaves_the_old_archive(
    store: BlobStore, tmp_path: Path, interruption: type[BaseException]
) -> None:
    target = tmp_path / "demo.tar"
    _write(target, store, [_image(store)])
    before = target.read_bytes()
    new = _image(store, text=b"two")
    with pytest.raises(interruption), archive.prepared(target, store, [new], TAG, new) as draft:
        assert draft.stat().st_size > 0
        raise interruption
    assert target.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["demo.tar"]


def test_too_little_room_is_said_before_writing(
    store: BlobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10, 10, 0))
    with pytest.raises(OutputError, match="are needed and 0 MB are free") as caught:
        _write(tmp_path / "demo.tar", store, [_image(store)])
    assert "--output" in caught.value.advice
    assert not list(tmp_path.glob("*demo.tar*"))


def test_an_output_that_cannot_be_written_is_named(store: BlobStore, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"file/demo.tar cannot be written") as caught:
        _write(tmp_path / "file" / "demo.tar", store, [_image(store)])
    assert caught.value.exit_code == 73


def test_it_unpacks_to_what_the_layers_hold(store: BlobStore, tmp_path: Path) -> None:
    _write(tmp_path / "demo.tar", store, [_image(store)])
    root = unpack.archive(tmp_path / "demo.tar", tmp_path / "unpacked")
    assert (root / "run.yaml").read_bytes() == b"one"
    assert (root / ".llama").readlink() == Path("/data")
    assert unpack.archive(tmp_path / "demo.tar", tmp_path / "unpacked") == root


def test_layers_of_several_gzip_members_unpack_whole(store: BlobStore, tmp_path: Path) -> None:
    large = bytes(range(256)) * (compression.MEMBER_BYTES // 128)
    image = _image(store, text=large)
    _write(tmp_path / "demo.tar", store, [image])
    assert (unpack.archive(tmp_path / "demo.tar", tmp_path / "unpacked") / "run.yaml").read_bytes() == large
