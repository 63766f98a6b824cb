"""Answers: what they have to be, and what of them reaches the client."""

import json

import pytest

from distribution.lane import answers
from distribution.lane.answers import AnswerReader, ChatAnswer, EmbeddingsAnswer
from distribution.lane.failures import ServiceBroke, error_of

CHAT, EMBEDDINGS = AnswerReader(ChatAnswer), AnswerReader(EmbeddingsAnswer)
GOOD = (
    b'{"id":"1","created":5,"model":"m","choices":[{"index":0, "x":1.50}],"usage":{"prompt_tokens":2},"vllm":{"a" :1}}'
)


def test_an_answer_is_the_services_bytes_under_the_name_that_the_client_has_used() -> None:
    answer = CHAT.read(GOOD)
    assert answer.usage is not None and answer.usage.prompt_tokens == 2
    fields = answers.FIELDS.decode(GOOD)
    assert answers.renamed(GOOD, answer.model, "m", fields) is GOOD
    assert answers.renamed(GOOD, answer.model, "vllm/m", fields) == GOOD.replace(b'"m"', b'"vllm/m"')


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"<html>login</html>", "a page of HTML"),
        (b"oops", "no JSON"),
        (b"", "no JSON"),
        (b"{}", "missing required field `id`"),
        (b'{"id":"1","created":5,"model":"m","choices":[]}', "without choices"),
        (b'{"id":"1","created":5,"model":"m","choices":{}}', "choices"),
    ],
)
def test_what_is_no_answer(body: bytes, problem: str) -> None:
    with pytest.raises(ServiceBroke, match=problem):
        CHAT.read(body)


def test_embeddings_have_data() -> None:
    assert len(EMBEDDINGS.read(b'{"model":"m","data":[{"embedding":[1]},{"embedding":"AAAA"}]}').data) == 2
    with pytest.raises(ServiceBroke, match="data"):
        EMBEDDINGS.read(b'{"model":"m"}')


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"error": {"message": "too long", "code": 400}}, ("too long", 400)),
        ({"error": {"message": "no such model", "code": "model_not_found"}}, ("no such model", None)),
        ({"object": "error", "message": "older vLLM", "code": 404}, ("older vLLM", 404)),
        ({"detail": "Not Found"}, ("Not Found", None)),
        ({"error": "plain"}, ("plain", None)),
    ],
)
def test_errors_say_why_in_whatever_form(body: object, said: tuple[str, int | None]) -> None:
    assert error_of(json.dumps(body).encode()) == said


def test_an_error_that_is_no_json_is_its_text() -> None:
    assert error_of(b" upstream connect error \xff\n")[0] == "upstream connect error \ufffd"
