"""What is said of output that cannot be written: the system's own reason, and to make room only if there is none."""

import errno
import os
from pathlib import Path

import pytest

from builder import errors
from builder.errors import OutputError
from builder.image import entries
from builder.image.layers import BlobStore


@pytest.mark.parametrize(
    ("number", "advice"),
    [
        (errno.ENOSPC, "make room on this disk, or use --output"),
        (errno.EDQUOT, "make room on this disk, or use --output"),
        (errno.EACCES, "use --output"),
        (errno.EIO, "use --output"),
    ],
)
def test_only_a_full_disk_is_to_be_emptied(number: int, advice: str) -> None:
    error = errors.cannot_write(Path("/clone/dist/a.tar"), OSError(number, os.strerror(number)), "use --output")
    assert error.message == f"/clone/dist/a.tar cannot be written: {os.strerror(number)}"
    assert error.advice == advice


def test_the_file_that_stood_in_the_way_is_named() -> None:
    place, reason = Path("/clone/build/tree"), os.strerror(errno.EACCES)
    for stumbled, said in {
        "/clone/run.yaml": f"/clone/run.yaml: {reason}",
        "/clone/build/tree/usr/lib": f"/clone/build/tree/usr/lib: {reason}",
        "/clone/build/.tree.draft": reason,
    }.items():
        error = errors.cannot_write(place, PermissionError(errno.EACCES, reason, stumbled))
        assert error.message == f"/clone/build/tree cannot be written: {said}"


def test_a_layer_of_a_file_that_cannot_be_read_says_which(tmp_path: Path) -> None:
    absent = tmp_path / "absent"
    with pytest.raises(OutputError) as caught:
        BlobStore(tmp_path / "blobs").layer("config", "key", lambda: [entries.file("run.yaml", absent)])
    assert f"{absent}: No such file or directory" in caught.value.message
    assert "room" not in caught.value.advice
