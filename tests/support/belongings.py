"""One of each kind of thing that a user can have in a server, and what all of them contain: a word of that user's."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx

CHAT_MODEL = "vllm/scripted"
EMBEDDING_MODEL = "vllm-embedding/scripted-embedding"
SCORING_FUNCTION = "basic::equality"
AGENT = {"model": CHAT_MODEL, "instructions": "Answer.", "enable_session_persistence": True}

WAITS = (0.05,) * 40 + (0.5,) * 40
"""Seconds between looks at what is worked at in the background."""


@dataclass
class Belongings:
    """A user's client, and the ids of what is theirs."""

    user: str
    http: httpx.Client
    ids: dict[str, str] = field(default_factory=dict)
    """By the names of path parameters."""

    @property
    def word(self) -> str:
        """Stands in everything the user has, and nowhere else."""
        return f"secret-of-{self.user}"

    def __getitem__(self, name: str) -> str:
        return self.ids[name]

    def post(self, path: str, body: dict[str, Any]) -> Any:
        """The answer to a request that must succeed."""
        answer = self.http.post(path, json=body)
        assert answer.is_success, f"{path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    def get(self, path: str) -> Any:
        """The answer to a request that must succeed."""
        answer = self.http.get(path)
        assert answer.is_success, f"{path}: {answer.status_code} {answer.text}"
        return answer.json()

    def upload(self, content: str, purpose: str = "assistants") -> str:
        """The id of a new file."""
        file = (f"{self.word}.txt", content.encode())
        answer = self.http.post("/v1/files", files={"file": file}, data={"purpose": purpose})
        return str(answer.raise_for_status().json()["id"])

    def batch(self, body: dict[str, Any], **fields: Any) -> Any:
        """A batch of one chat completion, once it has ended."""
        line = {"custom_id": "1", "method": "POST", "url": "/v1/chat/completions", "body": body}
        return self.run_batch(self.upload(json.dumps(line), "batch"), **fields)

    def run_batch(self, input_file_id: str, **fields: Any) -> Any:
        """A batch of the lines of a file, once it has ended."""
        request = {"input_file_id": input_file_id, "endpoint": "/v1/chat/completions", "completion_window": "24h"}
        batch = self.post("/v1/batches", {**request, **fields})
        return until(lambda: self.get(f"/v1/batches/{batch['id']}"), lambda one: one["status"] in ENDED)


ENDED = ("completed", "failed", "cancelled")


def until[T](look: Callable[[], T], holds: Callable[[T], bool]) -> T:
    """What is seen as soon as it is as it should be."""
    for seconds in WAITS:
        if holds(seen := look()):
            return seen
        time.sleep(seconds)
    raise AssertionError(f"not within {sum(WAITS):.0f} s: {seen}")


def of(user: str, http: httpx.Client) -> Belongings:
    """Make a user one of each kind."""
    mine = Belongings(user, http)
    for make in (_registered, _files_and_stores, _batches, _answers, _agents, _evaluations):
        make(mine)
    return mine


def _registered(mine: Belongings) -> None:
    ids, word = mine.ids, mine.word
    model = {"model_id": word, "provider_id": "vllm", "provider_model_id": word, "metadata": {"of": word}}
    ids["model_id"] = mine.post("/v1/models", model)["identifier"]
    shield = {"shield_id": word, "provider_id": "llama-guard", "provider_shield_id": CHAT_MODEL, "params": {"of": word}}
    ids["shield_id"] = ids["identifier"] = mine.post("/v1/shields", shield)["identifier"]
    ids["toolgroup_id"] = f"{word}::search"
    mine.post("/v1/toolgroups", {"toolgroup_id": ids["toolgroup_id"], "provider_id": "tavily-search"})
    ids["tool_name"] = word
    ids["dataset_id"] = f"{word}-rows"
    mine.post("/v1beta/datasets", dataset(ids["dataset_id"], word))
    ids["scoring_fn_id"] = f"llm-as-judge::{word}"
    mine.post("/v1/scoring-functions", scoring_function(ids["scoring_fn_id"], word))
    ids["benchmark_id"] = f"{word}-benchmark"
    mine.post("/v1alpha/eval/benchmarks", benchmark(ids["benchmark_id"], ids["dataset_id"], word))
    ids["prompt_id"] = mine.post("/v1/prompts", {"prompt": f"Say {word}."})["prompt_id"]


def _files_and_stores(mine: Belongings) -> None:
    ids, word = mine.ids, mine.word
    ids["file_id"] = mine.upload(f"{word} lies in the third drawer")
    store = {"name": word, "embedding_model": EMBEDDING_MODEL, "metadata": {"of": word}}
    ids["vector_store_id"] = mine.post("/v1/vector_stores", store)["id"]
    in_store = f"/v1/vector_stores/{ids['vector_store_id']}"
    mine.post(f"{in_store}/files", {"file_id": ids["file_id"], "attributes": {"of": word}})
    second = mine.upload(f"{word} was moved to the fourth drawer")
    batch = mine.post(f"{in_store}/file_batches", {"file_ids": [second]})
    ids["file_batch_id"] = batch["id"]
    until(lambda: mine.get(f"{in_store}/file_batches/{batch['id']}"), lambda one: one["status"] in ENDED)


def _batches(mine: Belongings) -> None:
    body = {"model": CHAT_MODEL, "messages": [{"role": "user", "content": mine.word}]}
    batch = mine.batch(body, metadata={"of": mine.word}, idempotency_key="monday")
    mine.ids |= {key: batch[key] for key in ("input_file_id", "output_file_id")} | {"batch_id": batch["id"]}


def _answers(mine: Belongings) -> None:
    ids, word = mine.ids, mine.word
    ids["conversation_id"] = mine.post("/v1/conversations", {"metadata": {"of": word}})["id"]
    response = {"model": CHAT_MODEL, "input": word, "conversation": ids["conversation_id"]}
    ids["response_id"] = mine.post("/v1/responses", response)["id"]
    ids["item_id"] = mine.get(f"/v1/conversations/{ids['conversation_id']}/items")["data"][-1]["id"]
    completion = {"model": CHAT_MODEL, "messages": [{"role": "user", "content": word}], "user": f"first-of-{mine.user}"}
    ids["completion_id"] = mine.post("/v1/chat/completions", completion)["id"]
    stored = f"/v1/chat/completions/{ids['completion_id']}"
    until(lambda: mine.http.get(stored), lambda answer: answer.is_success)


def _agents(mine: Belongings) -> None:
    ids, word = mine.ids, mine.word
    ids["agent_id"] = mine.post("/v1alpha/agents", {"agent_config": {**AGENT, "name": word}})["agent_id"]
    agent = f"/v1alpha/agents/{ids['agent_id']}/session"
    ids["session_id"] = mine.post(agent, {"session_name": word})["session_id"]
    turn = {"messages": [{"role": "user", "content": word}], "stream": True}
    events = mine.http.post(f"{agent}/{ids['session_id']}/turn", json=turn).raise_for_status().text
    said = json.loads(events.strip().rpartition("data: ")[2])["event"]["payload"]["turn"]
    ids |= {"turn_id": said["turn_id"], "step_id": said["steps"][0]["step_id"]}


def _evaluations(mine: Belongings) -> None:
    benchmark_id = mine["benchmark_id"]
    job = mine.post(f"/v1alpha/eval/benchmarks/{benchmark_id}/jobs", {"benchmark_config": CANDIDATE})
    mine.ids["job_id"] = job["job_id"]


CANDIDATE = {"eval_candidate": {"type": "model", "model": CHAT_MODEL, "sampling_params": {"max_tokens": 10}}}


def dataset(dataset_id: str, word: str) -> dict[str, Any]:
    """A registration of a dataset of one row."""
    asked = json.dumps([{"role": "user", "content": word}])
    row = {"chat_completion_input": asked, "input_query": word, "expected_answer": word}
    source = {"type": "rows", "rows": [row]}
    return {"dataset_id": dataset_id, "purpose": "eval/messages-answer", "source": source, "metadata": {"of": word}}


def benchmark(benchmark_id: str, dataset_id: str, word: str) -> dict[str, Any]:
    """A registration of a benchmark."""
    named = {"benchmark_id": benchmark_id, "dataset_id": dataset_id, "metadata": {"of": word}}
    return {**named, "provider_id": "meta-reference", "scoring_functions": [SCORING_FUNCTION]}


def scoring_function(scoring_fn_id: str, word: str) -> dict[str, Any]:
    """A registration of a scoring function."""
    params = {"type": "llm_as_judge", "judge_model": CHAT_MODEL, "prompt_template": word}
    named = {"scoring_fn_id": scoring_fn_id, "description": word, "return_type": {"type": "string"}}
    return {**named, "provider_id": "llm-as-judge", "params": params}
