"""What goes through the lane arrives as it was sent, in both directions; `model` alone is another name."""

import json
from collections.abc import Iterator
from dataclasses import dataclass

import msgspec
import pytest
import requests
from msgspec import Raw

from tests.support import faulty_backend
from tests.support.faulty_backend import EMBEDDING_MODEL, EVENTS_OF_EVERYTHING, EVERYTHING, MODEL, FaultyBackend
from tests.support.run_configs import run_config, vllm_provider
from tests.support.stack_server import StackServer, serve

CHAT, TEXTS, EMBEDDINGS = "/v1/chat/completions", "/v1/completions", "/v1/embeddings"
FIELDS = msgspec.json.Decoder(dict[str, Raw])
MESSAGE = '{"role": "user", "content": "do: everything", "unknown": [1.0, "\\u00e4"]}'
TOOL = '{"type":"function","function":{"name":"look_up","parameters":{"type":"object","x-odd":1.50},"strict":true}}'
CHAT_BODY = (
    '{ "model" : "vllm/scripted", "messages": [%s],\n "tools":[%s], "tool_choice" : {"type":"function",  "function":'
    '{"name":"look_up"}}, "parallel_tool_calls":false, "logprobs": true, "top_logprobs": 2, "temperature": 0.10,'
    '"max_tokens":7, "stream_options": {"include_usage": true, "continuous_usage_stats": true}, '
    '"reasoning_effort": "low",'
    '"chat_template_kwargs": {"enable_thinking" : false}, "guided_json": {"a": [ ]}, "top_k": 5, "min_p": 1e-1,'
    '"logit_bias": {"50256": -100}, "seed": 18446744073709551615, "unknown": {"\\u0061": "h\\u00fcm \\/", "n": 1.0},'
    '"priority": -0, "\\u0061dd_generation_prompt": true, "prediction": {"type": "content", "content": "x"},'
    '"user": "\\ud83d\\ude00"%s }'
)


@dataclass(frozen=True)
class Served:
    """A server in front of a backend."""

    stack: StackServer
    backend: FaultyBackend

    def post(self, path: str, body: str) -> requests.Response:
        """Send a body as it is."""
        headers = {"content-type": "application/json"}
        return requests.post(f"{self.stack.url}{path}", data=body.encode(), headers=headers, timeout=30)

    def arrived(self) -> dict[str, Raw]:
        """The fields of what the backend was asked last."""
        return FIELDS.decode(self.backend.asked[-1].body)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with faulty_backend.serve() as backend:
        embedding_models = {EMBEDDING_MODEL: {"embedding_dimension": 2}}
        provider = vllm_provider("vllm", backend.url, embedding_models=embedding_models)
        with serve(run_config(tmp_path_factory.mktemp("bytes"), {"inference": [provider]})) as stack:
            yield Served(stack, backend)


def texts(fields: dict[str, Raw], *without: str) -> list[tuple[str, bytes]]:
    """Names and values of an object, in their order and as they are written."""
    return [(name, bytes(value)) for name, value in fields.items() if name not in without]


@pytest.mark.parametrize("more", ["", ',"stream" : true'])
def test_a_request_arrives_as_it_was_sent(served: Served, more: str) -> None:
    body = CHAT_BODY % (MESSAGE, TOOL, more)

    assert served.post(CHAT, body).status_code == 200

    assert texts(served.arrived(), "model") == texts(FIELDS.decode(body), "model")
    assert json.loads(bytes(served.arrived()["model"])) == MODEL


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (
            TEXTS,
            '{"model":"vllm/scripted","prompt" : "h\\u00fcm", "logprobs":5, "min_p": 1.0, "top_k":-1}',
        ),
        (TEXTS, '{"model":"vllm/scripted","prompt":[ 1 , 2 ], "prompt_embeds": null, "use_beam_search": false}'),
        (EMBEDDINGS, '{"model":"vllm/scripted-embedding","input":[ [1,2], [3] ], "truncate_prompt_tokens": -1}'),
        (
            EMBEDDINGS,
            '{"model":"vllm/scripted-embedding","input":"h\\u00fcm", "dimensions": 2, "encoding_format" : "float"}',
        ),
    ],
)
def test_so_do_other_requests(served: Served, path: str, body: str) -> None:
    assert served.post(path, body).status_code == 200

    sent = {name: value for name, value in FIELDS.decode(body).items() if bytes(value) != b"null"}
    assert texts(served.arrived(), "model") == texts(sent, "model")


def test_an_answer_comes_back_as_it_was_given(served: Served) -> None:
    body = CHAT_BODY % (MESSAGE, TOOL, "")

    answer = served.post(CHAT, body).content
    assert texts(FIELDS.decode(answer), "model") == texts(FIELDS.decode(EVERYTHING), "model")
    assert json.loads(answer)["model"] == "vllm/scripted"


def test_a_stream_comes_back_as_it_was_given(served: Served) -> None:
    body = CHAT_BODY % (MESSAGE, TOOL, ',"stream":true')
    given = b"".join([*EVENTS_OF_EVERYTHING, faulty_backend.DONE])

    assert served.post(CHAT, body).content == given.replace(b'"model":"scripted"', b'"model":"vllm/scripted"')


@pytest.mark.parametrize("more", ["", ',"stream":true'])
def test_what_was_stored_is_what_was_given(served: Served, more: str) -> None:
    assert served.post(CHAT, CHAT_BODY % (MESSAGE, TOOL, more)).status_code == 200

    stored = requests.get(f"{served.stack.url}{CHAT}/chatcmpl-all", timeout=30).json()
    [choice] = stored["choices"]
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"]["reasoning_content"].startswith("h\u00fcm ")
    assert choice["message"]["tool_calls"][0]["function"]["name"] == "look_up"
    assert choice["logprobs"]["content"][0]["logprob"] == -0.1
    assert stored["usage"]["completion_tokens_details"]["reasoning_tokens"] in (1, 2)
