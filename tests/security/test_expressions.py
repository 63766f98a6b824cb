"""Regular expressions of a request end in time, and others are served meanwhile."""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.security.conftest import Served


def score(served: Served, expression: str, answer: object = "a" * 5000 + "!", rows: int = 1) -> Any:
    row = {"input_query": "q", "generated_answer": answer, "expected_answer": "a"}
    parameters = {"type": "regex_parser", "parsing_regexes": [expression], "aggregation_functions": ["accuracy"]}
    return served.http.post(
        "/v1/scoring/score",
        json={
            "input_rows": [row] * rows,
            "scoring_functions": {"basic::regex_parser_multiple_choice_answer": parameters},
        },
    )


@pytest.mark.advisory("endless-expressions")
def test_an_expression_that_explodes_is_given_up(served: Served) -> None:
    answer = score(served, "(a+)+$")

    assert answer.status_code == 400
    assert "takes too long" in answer.json()["error"]["message"]


@pytest.mark.advisory("endless-expressions")
def test_an_expression_that_fills_the_memory_is_not_compiled(served: Served) -> None:
    answer = score(served, "(?:(?:a{1000}){1000}){3}")

    assert answer.status_code == 400
    assert "repeats too much" in answer.json()["error"]["message"]


@pytest.mark.advisory("endless-expressions")
def test_others_are_served_meanwhile(served: Served) -> None:
    with ThreadPoolExecutor() as pool:
        scoring = pool.submit(score, served, "(a+)+$")
        answered = 0
        while not scoring.done():
            assert served.http_as("none").get("/v1/health").status_code == 200
            answered += 1
            time.sleep(0.02)

    assert answered > 3


@pytest.mark.parametrize(("expression", "answer"), [("(", "a"), ("a", 3), ("(" * 3000, "a"), ("a", "a"), ("(a)", None)])
def test_what_is_wrong_with_rows_and_expressions_is_said(served: Served, expression: str, answer: object) -> None:
    assert score(served, expression, answer).status_code == 400


def test_an_answer_is_found_as_before(served: Served) -> None:
    found = score(served, "(?i)answer: *([a-d])", "The answer: a").json()["results"]
    (result,) = found.values()
    assert result["score_rows"] == [{"score": 1.0}]
