"""Registered resources are their users' alone; the operator's are for everybody's use, and for nobody to change."""

import json
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import pytest

from tests.security.conftest import Served
from tests.security.others import OTHERS, get, is_absent_for

pytestmark = pytest.mark.advisory("resources-used-unchecked")

ROWS = [{"chat_completion_input": json.dumps([{"role": "user", "content": "secret"}]), "expected_answer": "secret"}]
JUDGE = {
    "type": "llm_as_judge",
    "judge_model": "vllm/scripted",
    "prompt_template": "{input_query} {expected_answer} {generated_answer}",
    "judge_score_regexes": ["secret"],
}
SCORED = [{"input_query": "q", "expected_answer": "a", "generated_answer": "g"}]
MESSAGES = [{"role": "user", "content": "hello"}]
CANDIDATE = {"eval_candidate": {"type": "model", "model": "vllm/scripted", "sampling_params": {"max_tokens": 5}}}


@dataclass
class Kind:
    """How resources of one kind are registered and used."""

    path: str
    body: dict[str, Any]
    """For POST; `{id}` stands for the identifier."""
    uses: list[tuple[str, str, dict[str, Any] | None]] = field(default_factory=list)
    """Method, path and body of whatever else takes an identifier."""


KINDS = {
    "dataset": Kind(
        "/v1/datasets",
        {"dataset_id": "{id}", "purpose": "eval/messages-answer", "source": {"type": "rows", "rows": ROWS}},
        [
            ("GET", "/v1/datasetio/iterrows/{id}", None),
            ("GET", "/v1beta/datasetio/iterrows/{id}", None),
            ("POST", "/v1beta/datasetio/append-rows/{id}", {"rows": ROWS}),
        ],
    ),
    "shield": Kind(
        "/v1/shields",
        {"shield_id": "{id}", "provider_shield_id": "vllm/scripted", "provider_id": "llama-guard"},
        [("POST", "/v1/safety/run-shield", {"shield_id": "{id}", "messages": MESSAGES, "params": {}})],
    ),
    "scoring function": Kind(
        "/v1/scoring-functions",
        {
            "scoring_fn_id": "{id}",
            "description": "secret",
            "return_type": {"type": "number"},
            "provider_id": "llm-as-judge",
            "params": JUDGE,
        },
        [("POST", "/v1/scoring/score", {"input_rows": SCORED, "scoring_functions": {"{id}": None}})],
    ),
    "benchmark": Kind(
        "/v1alpha/eval/benchmarks",
        {"benchmark_id": "{id}", "dataset_id": "none", "scoring_functions": [], "provider_id": "meta-reference"},
        [
            ("POST", "/v1alpha/eval/benchmarks/{id}/jobs", {"benchmark_config": CANDIDATE}),
            (
                "POST",
                "/v1alpha/eval/benchmarks/{id}/evaluations",
                {"input_rows": ROWS, "scoring_functions": [], "benchmark_config": CANDIDATE},
            ),
        ],
    ),
    "tool group": Kind(
        "/v1/toolgroups",
        {"toolgroup_id": "{id}", "provider_id": "rag-runtime"},
        [
            ("GET", "/v1/tools?toolgroup_id={id}", None),
            ("GET", "/v1/tool-runtime/list-tools?tool_group_id={id}", None),
            ("POST", "/v1/tool-runtime/invoke", {"tool_name": "{id}/knowledge_search", "kwargs": {"query": "x"}}),
        ],
    ),
}


def register(served: Served, user: str, kind: Kind, identifier: str) -> int:
    """Register a resource as a user, and return the answer's status."""
    body = json.loads(json.dumps(kind.body).replace("{id}", identifier))
    with served.http_as(user) as http:
        return http.post(kind.path, json=body).status_code


@pytest.mark.advisory("shared-by-default")
@pytest.mark.parametrize("kind", KINDS.values(), ids=list(KINDS))
def test_a_resource_is_its_owners_alone(guarded: Served, kind: Kind) -> None:
    identifier = f"alices-{uuid4().hex}"
    assert register(guarded, "alice", kind, identifier) == 200
    before = get(guarded, "alice", f"{kind.path}/{identifier}")
    assert before.status_code == 200

    for other in OTHERS:
        assert identifier not in get(guarded, other, kind.path).text
        for method, path, body in [
            ("GET", f"{kind.path}/{{id}}", None),
            *kind.uses,
            ("DELETE", f"{kind.path}/{{id}}", None),
        ]:
            is_absent_for(guarded, other, method, path, identifier, "nothing", json=body)

    assert get(guarded, "alice", f"{kind.path}/{identifier}").text == before.text
    assert identifier in get(guarded, "alice", kind.path).text
    with guarded.http_as("alice") as alice:
        assert alice.delete(f"{kind.path}/{identifier}").is_success


@pytest.mark.advisory("resources-taken-over")
def test_another_users_dataset_is_not_replaced(guarded: Served) -> None:
    dataset, identifier = KINDS["dataset"], f"alices-{uuid4().hex}"
    assert register(guarded, "alice", dataset, identifier) == 200

    body = {**dataset.body, "dataset_id": identifier, "source": {"type": "rows", "rows": [{"mine": "now"}]}}
    with guarded.http_as("mallory") as mallory:
        assert mallory.post(dataset.path, json=body).status_code == 409

    rows = get(guarded, "alice", f"/v1beta/datasetio/iterrows/{identifier}").json()["data"]
    assert rows == ROWS


@pytest.mark.advisory("jobs-of-all-users")
def test_the_results_of_a_job_are_for_who_started_it(guarded: Served) -> None:
    owned = {}
    for user in ("alice", "mallory"):
        dataset, benchmark = f"{user}s-{uuid4().hex}", f"{user}s-{uuid4().hex}"
        assert register(guarded, user, KINDS["dataset"], dataset) == 200
        body = {**KINDS["benchmark"].body, "dataset_id": dataset, "scoring_functions": ["basic::subset_of"]}
        assert register(guarded, user, Kind(KINDS["benchmark"].path, body), benchmark) == 200
        with guarded.http_as(user) as http:
            started = http.post(f"/v1alpha/eval/benchmarks/{benchmark}/jobs", json={"benchmark_config": CANDIDATE})
        assert started.status_code == 200, started.text
        owned[user] = f"/v1alpha/eval/benchmarks/{benchmark}/jobs", started.json()["job_id"]

    jobs, job_id = owned["alice"]
    assert "secret" in get(guarded, "alice", f"{jobs}/{job_id}/result").text
    jobs, _ = owned["mallory"]  # whose benchmark is the same provider's
    for path in (f"{jobs}/{job_id}", f"{jobs}/{job_id}/result"):
        answer = get(guarded, "mallory", path)
        assert (answer.status_code, answer.json()["error"]["message"]) == (404, f"Job {job_id} not found")


@pytest.mark.parametrize(
    ("path", "identifier"),
    [("/v1/models", "vllm/scripted"), ("/v1/scoring-functions", "basic::equality"), ("/v1/toolgroups", "builtin::rag")],
)
def test_what_the_operator_has_is_used_and_not_removed(guarded: Served, path: str, identifier: str) -> None:
    with guarded.http_as("mallory") as mallory:
        assert mallory.delete(f"{path}/{identifier}").status_code == 403
    for user in ("alice", "mallory", "quentin"):
        assert identifier in get(guarded, user, path).text
        assert get(guarded, user, f"{path}/{identifier}").status_code == 200


@pytest.mark.advisory("resources-taken-over")
@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/models", {"model_id": "scripted", "provider_id": "vllm", "metadata": {"mine": 1}}),
        ("/v1/toolgroups", {"toolgroup_id": "builtin::rag", "provider_id": "rag-runtime", "args": {"mine": 1}}),
        (
            "/v1/scoring-functions",
            {
                "scoring_fn_id": "llm-as-judge::base",
                "description": "mine",
                "return_type": {"type": "number"},
                "provider_id": "llm-as-judge",
            },
        ),
    ],
)
def test_what_the_operator_has_is_not_registered_again(guarded: Served, path: str, body: dict[str, Any]) -> None:
    before = get(guarded, "alice", path).text

    with guarded.http_as("mallory") as mallory:
        assert mallory.post(path, json=body).status_code == 409

    assert "mine" not in get(guarded, "alice", path).text
    assert len(get(guarded, "alice", path).text) == len(before)


@pytest.mark.advisory("tools-taken-over")
def test_a_users_tool_group_does_not_answer_for_the_operators_tool(guarded: Served) -> None:
    name = f"mallorys-{uuid4().hex}"
    get(guarded, "alice", "/v1/tools")  # so that the names of all tools are known
    assert register(guarded, "mallory", KINDS["tool group"], name) == 200
    get(guarded, "mallory", "/v1/tools")

    for user in ("alice", "mallory"):
        assert get(guarded, user, "/v1/tools/knowledge_search").json()["toolgroup_id"] == "builtin::rag"
    assert name not in get(guarded, "alice", "/v1/tools").text

    with guarded.http_as("mallory") as mallory:
        mallory.delete(f"/v1/toolgroups/{name}")
    assert get(guarded, "alice", "/v1/tools/knowledge_search").status_code == 200
    with guarded.http_as("alice") as alice:
        answer = alice.post("/v1/tool-runtime/rag-tool/query", json={"content": "x", "vector_store_ids": ["none"]})
    assert "Tool Group" not in answer.text
