"""What is written for a vector store that others change at the same time."""

from typing import Any

from distribution.overlay.vector_stores import FileChange, merge


def _record(*file_ids: str, name: str = "zoo", failed: int = 0) -> dict[str, Any]:
    counts = {"completed": len(file_ids) - failed, "failed": failed, "total": len(file_ids)}
    return {"name": name, "file_ids": list(file_ids), "file_counts": counts}


def test_a_new_record_is_written_as_it_is() -> None:
    assert merge(None, _record(), None) == _record()


def test_an_attached_file_comes_to_those_of_others() -> None:
    written = merge(_record("theirs", name="renamed"), _record("mine"), FileChange("mine", "completed"))
    assert written == _record("theirs", "mine", name="renamed")


def test_a_file_that_failed_is_counted_so() -> None:
    assert merge(_record("theirs"), _record("mine"), FileChange("mine", "failed")) == _record(
        "theirs", "mine", failed=1
    )


def test_a_file_is_counted_once_however_often_it_is_attached() -> None:
    assert merge(_record("mine"), _record("mine"), FileChange("mine", "completed")) == _record("mine")


def test_a_removed_file_takes_no_other_with_it() -> None:
    written = merge(_record("mine", "theirs"), _record(), FileChange("mine", "completed"))
    assert written == _record("theirs")


def test_another_name_keeps_the_files_of_others() -> None:
    assert merge(_record("theirs"), _record(name="mine"), None) == _record("theirs", name="mine")


def test_a_removed_store_does_not_come_back_with_a_file() -> None:
    assert merge(None, _record("mine"), FileChange("mine", "completed")) is None
