"""Layers: the same bytes from the same entries, whatever machine makes them."""

import gzip
import hashlib
import io
import json
import os
import tarfile
from pathlib import Path

import pytest

from builder import sandbox
from builder.errors import KitError, OutputError
from builder.image import compression, entries
from builder.image.compression import ParallelGzip
from builder.image.entries import Entry
from builder.image.layers import BlobStore

ENTRIES = [
    entries.directory("data", 0o775, user=1001),
    entries.file("data/läma.txt", b"content", 0o755),
    entries.link("link", "/data"),
]
GOLDEN = "sha256:32ba14bf4d75c0a5b4a59eb4ac3716a4742bcafbd23e43396427f0a6e57bde27"
"""A change here is a change of the digest of every image that was ever built."""


@pytest.fixture
def store(tmp_path: Path) -> BlobStore:
    return BlobStore(tmp_path / "blobs")


def _tar(store: BlobStore, digest: str) -> tarfile.TarFile:
    return tarfile.open(fileobj=io.BytesIO(gzip.decompress(store.path(digest).read_bytes())))


def test_a_layer_holds_what_the_entries_say_and_nothing_of_this_machine(store: BlobStore) -> None:
    layer = store.layer("test", "key", lambda: ENTRIES)
    with _tar(store, layer.digest) as archive:
        found = [(m.name, m.mode, m.uid, m.gid, m.uname, m.type, m.linkname, m.mtime) for m in archive]
    assert found == [
        ("data", 0o775, 1001, 0, "", tarfile.DIRTYPE, "", 1735689600),
        ("data/läma.txt", 0o755, 0, 0, "", tarfile.REGTYPE, "", 1735689600),
        ("link", 0o777, 0, 0, "", tarfile.SYMTYPE, "/data", 1735689600),
    ]


def test_every_folder_has_an_entry_before_what_is_in_it(store: BlobStore) -> None:
    """Scanners do not find what lies in a folder without one."""
    given = [
        entries.file("var/lib/dpkg/status.d/dash", b""),
        entries.link("lib", "usr/lib"),
        entries.link("usr/lib/ssl/certs", "/etc/ssl/certs"),
        entries.directory("var/lib", 0o775, user=1001),
    ]
    layer = store.layer("test", "key", lambda: given)
    with _tar(store, layer.digest) as archive:
        found = [(member.name, member.isdir(), member.mode, member.uid) for member in archive]
    root_owns = (True, 0o755, 0)
    assert found == [
        ("lib", False, 0o777, 0),
        ("usr", *root_owns),
        ("usr/lib", *root_owns),
        ("usr/lib/ssl", *root_owns),
        ("usr/lib/ssl/certs", False, 0o777, 0),
        ("var", *root_owns),
        ("var/lib", True, 0o775, 1001),
        ("var/lib/dpkg", *root_owns),
        ("var/lib/dpkg/status.d", *root_owns),
        ("var/lib/dpkg/status.d/dash", False, 0o644, 0),
    ]


def test_the_digests_are_those_of_the_bytes(store: BlobStore) -> None:
    layer = store.layer("test", "key", lambda: ENTRIES)
    blob = store.path(layer.digest).read_bytes()
    assert layer.digest == f"sha256:{hashlib.sha256(blob).hexdigest()}"
    assert layer.diff_id == f"sha256:{hashlib.sha256(gzip.decompress(blob)).hexdigest()}"
    assert (layer.size, layer.tar_size) == (len(blob), len(gzip.decompress(blob)))


def test_the_golden_digest(store: BlobStore) -> None:
    assert store.layer("test", "key", lambda: ENTRIES).digest == GOLDEN


def test_a_known_key_is_not_made_again_and_a_lost_blob_is(store: BlobStore) -> None:
    made: list[int] = []

    def make() -> list[Entry]:
        made.append(1)
        return ENTRIES

    first = store.layer("test", "key", make)
    assert store.layer("test", "key", make) == first
    assert len(made) == 1
    store.path(first.digest).unlink()
    assert store.layer("test", "key", make) == first
    assert len(made) == 2
    assert store.layer("test", "other key", make) == first
    assert len(made) == 3


def test_modes_on_disk_do_not_reach_the_image(store: BlobStore, tmp_path: Path) -> None:
    digests = set()
    for umask in (0o022, 0o077):
        root = tmp_path / str(umask)
        before = os.umask(umask)
        try:
            (root / "site").mkdir(parents=True)
            (root / "site" / "module.py").write_text("x = 1\n")
            (root / "site" / "program").write_text("#!/bin/sh\n")
            (root / "site" / "program").chmod(0o744)
        finally:
            os.umask(before)
        layer = store.layer(f"umask {umask}".replace(" ", "-"), "key", lambda root=root: entries.below(root, "site"))  # type: ignore[misc]
        digests.add(layer.digest)
    assert len(digests) == 1


def test_large_content_is_cut_into_members_and_is_one_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    content = bytes(range(256)) * 4096 * 20  # 20 MiB: three members
    written = set()
    for processors in (1, 3):
        monkeypatch.setattr(sandbox, "processors", lambda count=processors: count)
        target = io.BytesIO()
        stream = ParallelGzip(target)
        for start in range(0, len(content), 1_000_003):
            stream.write(content[start : start + 1_000_003])
        stream.close()
        assert gzip.decompress(target.getvalue()) == content
        assert stream.plain_size == len(content)
        assert stream.compressed_size == len(target.getvalue())
        written.add(target.getvalue())
    assert len(written) == 1
    assert len(content) > 2 * compression.MEMBER_BYTES


def test_an_empty_layer_is_a_valid_one(store: BlobStore) -> None:
    with _tar(store, store.layer("empty", "key", list).digest) as archive:
        assert archive.getnames() == []


def test_a_full_disk_leaves_no_blob_and_says_so(store: BlobStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: ParallelGzip, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(ParallelGzip, "write", full)
    with pytest.raises(OutputError, match="No space left on device") as caught:
        store.layer("test", "key", lambda: ENTRIES)
    assert caught.value.exit_code == 73
    assert not list(store.root.rglob("*.part"))
    assert not list(store.root.rglob("*.json"))


def test_small_content_is_stored_under_its_digest(store: BlobStore) -> None:
    digest = store.add(b"{}")
    assert json.loads(store.path(digest).read_bytes()) == {}
    assert digest == f"sha256:{hashlib.sha256(b'{}').hexdigest()}"


def test_modes_that_an_arbitrary_uid_trips_over_are_named(store: BlobStore) -> None:
    contents = [
        entries.directory("good"),
        entries.file("good/file", b"", 0o644),
        entries.link("good/link", "anywhere"),
        entries.directory("closed", 0o700),
        entries.file("private", b"", 0o600),
        entries.file("open", b"", 0o666),
        entries.directory("root", 0o700),
    ]

    with pytest.raises(KitError) as error:
        store.layer("test", "key", lambda: contents)

    assert [line.split()[0] for line in error.value.message.splitlines()[1:]] == ["/closed", "/private", "/open"]
    assert not any(store.root.rglob("*.part"))
