"""What is not to be stored is nowhere: what says so, what the server asks models for itself, what was deleted."""

import json
from typing import Any

import pytest

from tests.integration.completions.conftest import MODEL, Stack
from tests.support import belongings
from tests.support.belongings import ENDED, Belongings, until
from tests.support.scripted_backend import EMBEDDING_MODEL

STORE = {"embedding_model": f"vllm-embedding/{EMBEDDING_MODEL}"}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/openai/v1/chat/completions"])
def test_a_chat_completion_that_says_so_is_not_stored(stack: Stack, path: str, stream: bool) -> None:
    question = {"model": MODEL, "messages": [{"role": "user", "content": "forget-this"}], "stream": stream}

    assert "forget-this" in json.dumps(stack.post(path, {**question, "store": False}))
    assert stack.stored() == []
    assert stack.tables_with("forget-this") == set()

    assert "forget-this" in json.dumps(stack.post(path, {**question, "store": None}))
    assert stack.stored() == ["chatcmpl-scripted"]


@pytest.mark.parametrize("stream", [False, True])
def test_a_response_that_says_so_is_nowhere(stack: Stack, stream: bool) -> None:
    question = {"model": MODEL, "input": "forget-that", "stream": stream}

    assert "forget-that" in json.dumps(stack.post("/v1/responses", {**question, "store": False}))

    assert stack.stored() == []
    assert stack.tables_with("forget-that") == set()


def test_deleted_responses_and_conversations_leave_nothing(stack: Stack) -> None:
    conversation = stack.post("/v1/conversations", {"metadata": {"of": "to-be-deleted"}})["id"]
    asked = [
        stack.post("/v1/responses", {"model": MODEL, "input": "to-be-deleted", "conversation": conversation}),
        stack.post("/v1/responses", {"model": MODEL, "input": "to-be-deleted"}),
    ]
    assert stack.tables_with("to-be-deleted") == {"openai_conversations", "conversation_items", "openai_responses"}

    for response in asked:
        assert stack.http.delete(f"/v1/responses/{response['id']}").is_success
    assert stack.http.delete(f"/v1/conversations/{conversation}").is_success

    assert stack.stored() == []
    assert stack.tables_with("to-be-deleted") == set()


def test_what_the_server_asks_for_itself_is_not_stored(stack: Stack) -> None:
    mine = belongings.of("alice", stack.http)
    stack.stored()
    asked = len(stack.backend.asked)

    stack.post("/v1/responses", {"model": MODEL, "input": mine.word})
    stack.post("/v1/responses", {"model": MODEL, "input": mine.word, "stream": True})
    turn = {"messages": [{"role": "user", "content": mine.word}], "stream": True}
    stack.post(f"/v1alpha/agents/{mine['agent_id']}/session/{mine['session_id']}/turn", turn)
    said = [{"role": "user", "content": mine.word}]
    guarded = {"shield_id": mine["shield_id"], "messages": said, "params": {}}
    assert (
        "Unexpected response" in stack.http.post("/v1/safety/run-shield", json=guarded).text
    )  # of a model that is none
    rows = [{"input_query": mine.word, "expected_answer": mine.word, "generated_answer": mine.word}]
    stack.post("/v1/scoring/score", {"input_rows": rows, "scoring_functions": {mine["scoring_fn_id"]: None}})
    generator = {"type": "llm", "model": MODEL, "template": "{{ messages }}"}
    query: dict[str, Any] = {"content": mine.word, "vector_store_ids": [mine["vector_store_id"]]}
    stack.post("/v1/tool-runtime/rag-tool/query", {**query, "query_config": {"query_generator_config": generator}})
    benchmark = f"/v1alpha/eval/benchmarks/{mine['benchmark_id']}/jobs"
    job = stack.post(benchmark, {"benchmark_config": belongings.CANDIDATE})["job_id"]
    until(lambda: mine.get(f"{benchmark}/{job}"), lambda one: one["status"] in ENDED)

    assert sum("messages" in body for body in stack.backend.asked[asked:]) == 7
    assert stack.stored() == []
    assert mine.word not in str(stack.http.get("/v1/chat/completions").json())


def test_lines_of_a_batch_are_a_clients_requests(stack: Stack) -> None:
    mine = Belongings("batch", stack.http)

    def line(text: str, **more: Any) -> str:
        body = {"model": MODEL, "messages": [{"role": "user", "content": text}], "user": text, **more}
        return json.dumps({"custom_id": text, "method": "POST", "url": "/v1/chat/completions", "body": body})

    batch = mine.run_batch(mine.upload(f"{line('kept', metadata={'a': 'b'})}\n{line('unkept', store=False)}", "batch"))

    assert (batch["status"], batch["request_counts"]["completed"]) == ("completed", 2)
    assert [one["metadata"] for one in mine.get("/v1/chat/completions")["data"]] == [{"a": "b"}]
    assert stack.stored() == ["chatcmpl-kept"]
