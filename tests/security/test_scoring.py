"""Scoring functions: what one request gives them is not there for the next, and a template is no program."""

import httpx
import pytest

from tests.security.conftest import Served

JUDGE = "llm-as-judge::base"
ROW = {"input_query": "2 + 2?", "expected_answer": "4", "generated_answer": "4"}


def _scored(http: httpx.Client, template: str | None) -> httpx.Response:
    judge = {"type": "llm_as_judge", "judge_model": "vllm/scripted", "judge_score_regexes": ["(said)"]}
    parameters = {**judge, "prompt_template": template} if template else None
    return http.post("/v1/scoring/score", json={"input_rows": [ROW], "scoring_functions": {JUDGE: parameters}})


@pytest.mark.advisory("scoring-parameters-in-common")
def test_one_users_template_does_not_judge_for_another(guarded: Served) -> None:
    mine = _scored(guarded.http_as("alice"), "Alice's own: {generated_answer}")
    assert mine.status_code == 200
    assert mine.json()["results"][JUDGE]["score_rows"][0]["score"] == "said"

    theirs = _scored(guarded.http_as("bob"), None)

    assert theirs.status_code == 404  # the function's own judge is a model that is not here
    assert sum("Alice's own" in str(asked) for asked in guarded.backend.asked) == 1


@pytest.mark.advisory("template-widths")
@pytest.mark.parametrize(
    "field", ["{input_query:9999999999}", "{input_query!r}", "{input_query.__class__}", "{0}", "{"]
)
def test_a_template_has_names_alone(served: Served, field: str) -> None:
    answer = _scored(served.http, f"Judge {field}")

    assert answer.status_code == 400
    assert "prompt_template cannot be used" in answer.json()["error"]["message"]
