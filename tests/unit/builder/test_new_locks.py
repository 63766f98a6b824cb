"""Locks are written together or not at all."""

from pathlib import Path

import pytest

from builder.new_locks import all_or_nothing


@pytest.fixture
def locks(tmp_path: Path) -> Path:
    (tmp_path / "image.lock").write_text("old")
    (tmp_path / "test.lock").write_text("old")
    return tmp_path


@pytest.mark.parametrize("failure", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_what_fails_leaves_every_lock_as_it_was(locks: Path, failure: type[BaseException]) -> None:
    with pytest.raises(failure), all_or_nothing(locks):
        (locks / "image.lock").write_text("new")
        (locks / "test.lock").unlink()
        (locks / "draft.lock").write_text("new")
        raise failure
    assert {path.name: path.read_text() for path in locks.iterdir()} == {"image.lock": "old", "test.lock": "old"}


def test_what_succeeds_is_kept(locks: Path) -> None:
    with all_or_nothing(locks):
        (locks / "image.lock").write_text("new")
    assert (locks / "image.lock").read_text() == "new"
