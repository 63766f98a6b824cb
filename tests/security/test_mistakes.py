"""What fuzzing has found a fault with: each request has its status now, and a message that says what it lacks."""

from typing import Any

import pytest

from tests.security.conftest import Served
from tests.security.fuzzing.resources import EMBEDDING, MODEL

ROW = {"input_query": "1+1", "expected_answer": "2", "generated_answer": "2"}
SCHEMA = {"type": "json_schema", "name": "n"}
MISTAKES: dict[str, tuple[str, dict[str, Any], str]] = {
    "no scoring functions": ("/v1/scoring/score", {"input_rows": [ROW]}, "scoring_functions is missing"),
    "no functions for a dataset": ("/v1/scoring/score-batch", {"dataset_id": "d"}, "scoring_functions is missing"),
    "a row without an answer": (
        "/v1/scoring/score",
        {"input_rows": [{}], "scoring_functions": {"basic::equality": None}},
        "Expected answer not found in input row",
    ),
    "no input": ("/v1/responses", {"model": MODEL, "input": []}, "input"),
    "nothing but the answer to a request": (
        "/v1/responses",
        {"model": MODEL, "input": [{"type": "mcp_approval_response", "approval_request_id": "a", "approve": True}]},
        "input is empty",
    ),
    "a format of no type": (
        "/v1/responses",
        {"model": MODEL, "input": "hi", "text": {"format": {"name": "n"}}},
        "text.format.type is missing",
    ),
    "a schema that is not there": (
        "/v1/responses",
        {"model": MODEL, "input": "hi", "text": {"format": SCHEMA}},
        "text.format lacks schema",
    ),
}
"""Paths, bodies, and what is said of them."""


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_the_clients(served: Served, mistake: str) -> None:
    path, body, said = MISTAKES[mistake]
    answer = served.http.post(path, json=body)
    assert answer.status_code == 400
    assert said in answer.json()["error"]["message"]


@pytest.mark.parametrize("stream", [False, True])
def test_a_mistake_in_a_stream_is_the_clients_too(served: Served, stream: bool) -> None:
    answer = served.http.post("/v1/responses", json={"model": MODEL, "input": [], "stream": stream})
    assert answer.status_code == 400


@pytest.mark.parametrize("kind", ["web_search_call", "file_search_call"])
def test_a_search_of_the_last_response_may_be_input(served: Served, kind: str) -> None:
    search = {"type": kind, "id": "s", "status": "completed", "queries": []}
    answer = served.http.post(
        "/v1/responses", json={"model": MODEL, "input": [search, {"role": "user", "content": "and now?"}]}
    )
    assert "and now?" in answer.json()["output"][0]["content"][0]["text"]


def test_a_dataset_is_scored_as_a_whole(served: Served) -> None:
    source = {"type": "rows", "rows": [ROW, {**ROW, "generated_answer": "3"}]}
    body = {"dataset_id": "sums-to-score", "purpose": "eval/question-answer", "source": source}
    assert served.http.post("/v1beta/datasets", json=body).status_code == 200

    scored = served.http.post(
        "/v1/scoring/score-batch",
        json={"dataset_id": "sums-to-score", "scoring_functions": {"basic::equality": None}},
    ).json()

    assert [row["score"] for row in scored["results"]["basic::equality"]["score_rows"]] == [1.0, 0.0]


def test_what_its_provider_cannot_unregister_stays(served: Served) -> None:
    answer = served.http.delete("/v1/scoring-functions/basic::equality")
    assert answer.status_code == 501
    assert "provider 'basic' cannot be unregistered" in answer.json()["error"]["message"]
    assert served.http.get("/v1/scoring-functions/basic::equality").status_code == 200


def test_an_unknown_tool_is_not_found(served: Served) -> None:
    assert served.http.get("/v1/tools/unknown").status_code == 404


def test_a_file_that_is_not_there_is_a_line_in_the_log(served: Served) -> None:
    begun = len(served.log)
    body = {"file_ids": ["file-none"], "embedding_model": EMBEDDING}
    assert served.http.post("/v1/vector_stores", json=body).json()["file_counts"]["failed"] == 1
    assert "Error attaching file to vector store: File 'file-none' not found" in served.log[begun:]
    assert "Traceback" not in served.log[begun:]


def test_the_openapi_document_is_one(served: Served) -> None:
    assert "/v1/responses" in served.http.get("/openapi.json").json()["paths"]
