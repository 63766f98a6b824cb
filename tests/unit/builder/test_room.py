"""A full disk is known by what programs say of it."""

import pytest

from builder import room


@pytest.mark.parametrize(
    "said",
    [
        "OSError: [Errno 28] No space left on device: '/x'",
        "error: failed to write: Disk quota exceeded (os error 122)",
        "Caused by: failed to create file (os error 28)",
        "OSError: os.write() didn't write the full pyc file",
    ],
)
def test_a_full_disk_is_known(said: str) -> None:
    assert room.is_missing(said)


@pytest.mark.parametrize("said", ["No solution found when resolving dependencies", "Permission denied (os error 13)"])
def test_other_failures_are_not_taken_for_one(said: str) -> None:
    assert not room.is_missing(said)
