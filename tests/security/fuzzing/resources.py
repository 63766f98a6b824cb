"""One of each kind of resource in the server, so that requests reach what lies behind a 404."""

import json
from collections.abc import Iterator
from typing import Any

import httpx

from tests.support.scripted_backend import CHAT_MODEL, DIMENSION, EMBEDDING_MODEL

MODEL = f"vllm/{CHAT_MODEL}"
EMBEDDING = f"vllm-embedding/{EMBEDDING_MODEL}"
ANSWERED = {"input_query": "1+1", "expected_answer": "2", "generated_answer": "2"}
QUESTION = {"chat_completion_input": json.dumps([{"role": "user", "content": "1+1"}])}

Known = dict[str, list[str]]
"""Identifiers by the name of the parameter that takes them."""

REGISTERED: Known = {
    "model_id": [MODEL, EMBEDDING],
    "tool_name": ["knowledge_search", "web_search"],
    "toolgroup_id": ["builtin::rag", "builtin::websearch"],
    "scoring_fn_id": ["basic::equality", "llm-as-judge::base"],
    "provider_id": ["vllm", "faiss", "sqlite-vec", "rag-runtime", "llama-guard", "localfs", "basic", "meta-reference"],
    "dataset_id": ["rows"],
    "benchmark_id": ["sums"],
    "shield_id": ["guard"],
}
"""What the run config registers, and what is registered here under a name of ours."""


def make(http: httpx.Client) -> Known:
    """Make resources of each kind and return them all; raises ``httpx.HTTPStatusError``."""
    known = {name: list(values) for name, values in REGISTERED.items()}
    known["file_id"] = [_file(http, "sky.txt", "The sky is blue.", "assistants"), _batch_input(http)]
    _evaluation(http)
    known |= _stores(http, known["file_id"][0]) | _agents(http)
    known |= _one_of_each(http, known["file_id"][1])
    known["batch_id"] += known.pop("file_batch_id")
    return known


def _post(http: httpx.Client, path: str, body: Any) -> Any:
    answer = http.post(path, json=body).raise_for_status()
    return answer.json()


def _file(http: httpx.Client, name: str, text: str, purpose: str) -> str:
    answer = http.post("/v1/files", files={"file": (name, text.encode())}, data={"purpose": purpose})
    return str(answer.raise_for_status().json()["id"])


def _batch_input(http: httpx.Client) -> str:
    body = {"model": MODEL, "messages": [{"role": "user", "content": "hi"}]}
    line = {"custom_id": "1", "method": "POST", "url": "/v1/chat/completions", "body": body}
    return _file(http, "batch.jsonl", json.dumps(line), "batch")


def _evaluation(http: httpx.Client) -> None:
    source = {"type": "rows", "rows": [ANSWERED | QUESTION]}
    _post(http, "/v1beta/datasets", {"dataset_id": "rows", "purpose": "eval/messages-answer", "source": source})
    benchmark = {"benchmark_id": "sums", "dataset_id": "rows", "scoring_functions": ["basic::equality"]}
    _post(http, "/v1alpha/eval/benchmarks", benchmark)
    _post(http, "/v1/shields", {"shield_id": "guard", "provider_id": "llama-guard", "provider_shield_id": MODEL})


def _stores(http: httpx.Client, file: str) -> Known:
    made: Known = {"vector_store_id": [], "file_batch_id": []}
    for provider in ("faiss", "sqlite-vec"):
        body = {"provider_id": provider, "embedding_model": EMBEDDING, "embedding_dimension": DIMENSION}
        store = _post(http, "/v1/vector_stores", body)["id"]
        _post(http, f"/v1/vector_stores/{store}/files", {"file_id": file})
        batch = _post(http, f"/v1/vector_stores/{store}/file_batches", {"file_ids": [file]})
        made["vector_store_id"].append(store)
        made["file_batch_id"].append(batch["id"])
    return made


def _agents(http: httpx.Client) -> Known:
    agent = _post(http, "/v1alpha/agents", {"agent_config": {"model": MODEL, "instructions": ""}})["agent_id"]
    session = _post(http, f"/v1alpha/agents/{agent}/session", {"session_name": "s"})["session_id"]
    turn = {"messages": [{"role": "user", "content": "hi"}], "stream": True}
    stream = http.post(f"/v1alpha/agents/{agent}/session/{session}/turn", json=turn).raise_for_status().text
    done = next(event["turn"] for event in _payloads(stream) if event["event_type"] == "turn_complete")
    steps = [step["step_id"] for step in done["steps"]]
    return {"agent_id": [agent], "session_id": [session], "turn_id": [done["turn_id"]], "step_id": steps}


def _payloads(stream: str) -> Iterator[Any]:
    for line in stream.splitlines():
        if line.startswith("data: {"):
            yield json.loads(line.removeprefix("data: "))["event"]["payload"]


def _one_of_each(http: httpx.Client, batch_input: str) -> Known:
    said = [{"role": "user", "content": "hi"}]
    conversation = _post(http, "/v1/conversations", {"items": [{"type": "message", **said[0]}]})["id"]
    items = http.get(f"/v1/conversations/{conversation}/items").raise_for_status().json()["data"]
    batch = {"input_file_id": batch_input, "endpoint": "/v1/chat/completions", "completion_window": "24h"}
    run = {"benchmark_config": {"eval_candidate": evaluated(), "scoring_params": {}}}
    return {
        "prompt_id": [_post(http, "/v1/prompts", {"prompt": "{{name}}", "variables": ["name"]})["prompt_id"]],
        "batch_id": [_post(http, "/v1/batches", batch)["id"]],
        "response_id": [_post(http, "/v1/responses", {"model": MODEL, "input": "hi"})["id"]],
        "conversation_id": [conversation],
        "item_id": [item["id"] for item in items],
        "completion_id": [_post(http, "/v1/chat/completions", {"model": MODEL, "messages": said})["id"]],
        "job_id": [_post(http, "/v1alpha/eval/benchmarks/sums/jobs", run)["job_id"]],
    }


def evaluated() -> dict[str, Any]:
    """What a benchmark is run with."""
    return {"type": "model", "model": MODEL, "sampling_params": {"strategy": {"type": "greedy"}, "max_tokens": 5}}
