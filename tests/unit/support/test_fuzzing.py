"""Fuzzing finds a fault where there is one, and asks for what the server knows."""

from pathlib import Path
from typing import Any

import pytest

from tests.security.fuzzing.answers import Log, faults
from tests.security.fuzzing.changes import GONE, VALUES, all_changes
from tests.security.fuzzing.document import furnished

ERROR = b'{"error": {"message": "m"}}'


@pytest.mark.parametrize(
    ("status", "content_type", "body"),
    [
        (500, "application/json", ERROR),
        (502, "application/json", ERROR),
        (400, "application/json", b"{}"),
        (400, "text/plain", b"no"),
        (200, "application/json", b'{"score": NaN}'),
        (200, "application/json", b'{"half'),
        (200, "text/event-stream", b"data: {half\n\n"),
        (200, "text/event-stream", b"{}\n\n"),
        (200, "text/event-stream", b'data: {"error": {"code": 500}}\n\n'),
    ],
)
def test_faults(status: int, content_type: str, body: bytes) -> None:
    assert len(faults(status, content_type, body)) == 1


@pytest.mark.parametrize(
    ("status", "content_type", "body"),
    [
        (200, "application/json", b"null"),
        (204, "", b""),
        (404, "application/json; charset=utf-8", ERROR),
        (501, "application/json", ERROR),
        (200, "text/event-stream", b'event: x\ndata: {"a": 1}\n\ndata: [DONE]\n\n'),
        (200, "application/octet-stream", b"\xff"),
    ],
)
def test_no_faults(status: int, content_type: str, body: bytes) -> None:
    assert faults(status, content_type, body) == []


def test_a_service_out_of_reach_is_no_fault() -> None:
    assert faults(502, "application/json", ERROR, led_outside=True) == []
    assert faults(500, "application/json", ERROR, led_outside=True) != []


def test_a_traceback_is_seen_once(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("Traceback of the start")
    log = Log(path)
    assert log.traceback() == []
    with path.open("a") as file:
        file.write("Traceback (most recent call last)")
    assert len(log.traceback()) == 1
    assert log.traceback() == []


def test_every_place_takes_every_value() -> None:
    changes = all_changes({"POST /a": [{"b": {"c": [1]}, "dataset_id": "new"}]}, seed=1)
    assert len(changes) == 4 * len(VALUES)
    assert GONE in VALUES
    assert {"dataset_id"} in [set(change.body) for change in changes]
    names = [change.body["dataset_id"] for change in changes if change.place != ("dataset_id",)]
    assert len(set(names)) == len(names)


def test_a_document_names_what_there_is() -> None:
    body: dict[str, Any] = {
        "title": "Body_a",
        "properties": {"model": {"anyOf": [{"type": "string"}, {"type": "null"}]}},
    }
    operation: dict[str, Any] = {"parameters": [{"name": "file_id", "schema": {"type": "string"}}]}
    document: dict[str, Any] = {
        "paths": {"/v1/files/{file_id}": {"get": operation}, "/v1/openai/v1/files/{file_id}": {"get": {}}},
        "components": {"schemas": {"Body_a": body}},
    }
    known = {name: ["x", "y"] for name in ("vector_store_id", "conversation_id", "response_id")}
    known |= {"file_id": ["f", "g"], "model_id": ["m"]}

    furnished(document, known, aliases=False)

    assert list(document["paths"]) == ["/v1/files/{file_id}"]
    assert operation["parameters"][0]["schema"] == {"type": "string", "enum": ["f", "g"]}
    assert body["properties"]["model"]["anyOf"][0] == {"type": "string", "enum": ["m"]}
