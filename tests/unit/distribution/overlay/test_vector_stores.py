"""What is written for a vector store that others change at the same time."""

import asyncio
from typing import Any

import pytest
from pymilvus import MilvusException

from distribution.overlay import vector_stores
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


@pytest.mark.parametrize("message", ["collection 'vs_1' already exists", "[Errno 17] File exists: 'collections/vs_1'"])
def test_chunks_are_added_to_a_collection_that_another_request_is_making(
    monkeypatch: pytest.MonkeyPatch, message: str
) -> None:
    monkeypatch.setattr(vector_stores, "WAITS_FOR_A_COLLECTION", (0, 0, 0))
    answers: list[Exception | None] = [MilvusException(1, message), MilvusException(1, message), None]

    asyncio.run(_add_chunks(answers))

    assert answers == []


def test_another_error_of_milvus_is_not_tried_again() -> None:
    refusal = MilvusException(1, "the collection is full")
    answers: list[Exception | None] = [refusal, None]

    with pytest.raises(MilvusException) as raised:
        asyncio.run(_add_chunks(answers))

    assert raised.value is refusal
    assert answers == [None]


async def _add_chunks(answers: list[Exception | None]) -> None:
    """Add chunks to a Milvus that gives these answers one after the other."""

    async def upstream(self: object, chunks: list[Any], embeddings: object) -> None:
        if error := answers.pop(0):
            raise error

    await vector_stores.add_chunks(upstream)(None, [], None)
