"""Objects in a directory: all of a content under its name, or nothing."""

import errno
import os
from pathlib import Path

import pytest

from providers.files.errors import ObjectMissing, StorageError, StorageFull
from providers.files.local.directory import Directory, _storage_errors


@pytest.fixture
def directory(tmp_path: Path) -> Directory:
    """An empty place for objects."""
    directory = Directory(tmp_path / "state" / "files")
    directory.prepare()
    return directory


def store(directory: Directory, key: str, content: bytes) -> None:
    """Store an object."""
    writer = directory.create(key)
    writer.write(content)
    writer.commit()


def keys(directory: Directory) -> set[str]:
    """The objects that can be read."""
    return {key for key in directory.keys() if not key.startswith(".")}  # noqa: SIM118 (no mapping)


@pytest.mark.parametrize(
    ("start", "stop", "expected"), [(0, 6, b"abcdef"), (0, 0, b""), (2, 4, b"cd"), (5, 6, b"f"), (4, 99, b"ef")]
)
@pytest.mark.parametrize("count", [1, 4, 100])
def test_a_stretch_of_an_object(directory: Directory, start: int, stop: int, expected: bytes, count: int) -> None:
    store(directory, "file-1", b"abcdef")

    reader = directory.open("file-1", start, stop)
    assert reader.object_bytes == 6
    assert b"".join(iter(lambda: reader.read(count), b"")) == expected
    reader.close()


def test_an_object_in_the_making_is_not_there(directory: Directory) -> None:
    writer = directory.create("file-1")
    writer.write(b"half")

    with pytest.raises(ObjectMissing):
        directory.open("file-1", 0, 4)
    assert keys(directory) == set()
    writer.abort()
    writer.abort()
    store(directory, "file-1", b"whole")
    assert keys(directory) == {"file-1"}


@pytest.mark.parametrize("is_finished", [True, False])
def test_what_is_discarded_is_gone(directory: Directory, tmp_path: Path, is_finished: bool) -> None:
    writer = directory.create("file-1")
    if is_finished:
        writer.commit()

    directory.discard("file-1")
    directory.discard("file-1")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_an_open_object_can_be_removed_and_read_on(directory: Directory) -> None:
    store(directory, "file-1", b"abc")
    reader = directory.open("file-1", 0, 3)

    directory.delete("file-1")
    directory.delete("file-1")

    assert reader.read(3) == b"abc"
    reader.close()
    with pytest.raises(ObjectMissing):
        directory.open("file-1", 0, 3)


def test_a_check_leaves_nothing(directory: Directory, tmp_path: Path) -> None:
    directory.check()

    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk_has_an_error_of_its_own(number: int) -> None:
    with pytest.raises(StorageFull, match="The disk of storage_dir /files is full"), _storage_errors(Path("/files")):
        raise OSError(number, os.strerror(number))


@pytest.mark.parametrize(
    ("number", "advice"),
    [
        (errno.EACCES, f"Mount a volume there that user {os.geteuid()} or group {os.getegid()} may write to"),
        (errno.EPERM, "Mount a volume there that user"),
        (errno.EROFS, "Mount a volume there that user"),
        (errno.EIO, "Check the volume that is mounted there."),
        (errno.ESTALE, "Check the volume that is mounted there."),
    ],
)
def test_other_errors_come_with_advice(number: int, advice: str) -> None:
    with (
        pytest.raises(StorageError, match="cannot be kept in storage_dir /files: ") as raised,
        _storage_errors(Path("/files")),
    ):
        raise OSError(number, os.strerror(number))
    assert os.strerror(number) in str(raised.value)
    assert raised.value.__notes__[0].startswith(advice)


def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(StorageError, match=f"storage_dir {tmp_path}/file/files"):
        Directory(tmp_path / "file" / "files").prepare()
