"""Requests through the lane and on upstream's way: the same status, the same errors, the same stored completion.

A good answer is the backend's bytes in the lane but for the name of the model, and what llama-stack's types make of
them on its own way. Where the lane does otherwise, on purpose: a stream ends with `[DONE]`, a default is
not sent on, and it takes what `ONLY_IN_THE_LANE` lists.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

import httpx
import pytest

from tests.support import scripted_backend, stack_server
from tests.support.run_configs import run_config, vllm_provider
from tests.support.scripted_backend import CHAT_MODEL, EMBEDDING_MODEL, ScriptedBackend
from tests.support.stack_server import StackServer

CHAT, COMPLETIONS, EMBEDDINGS = "/v1/chat/completions", "/v1/completions", "/v1/embeddings"
MODEL, EMBEDDER = f"vllm/{CHAT_MODEL}", f"vllm/{EMBEDDING_MODEL}"
HELLO = {"role": "user", "content": "hello"}
FUNCTION = {"name": "look_up", "description": "Looks up", "parameters": {"type": "object", "properties": {}}}
LOOK_UP = {"type": "function", "function": FUNCTION}
PARTS = [{"type": "text", "text": "what is this?"}, {"type": "image_url", "image_url": {"url": "https://x.test/y.png"}}]
ONLY_IN_THE_LANE = [  # on upstream's way these are a 400
    ("tokens to embed", EMBEDDINGS, {"input": [1, 2, 3]}),
    ("lists of tokens to embed", EMBEDDINGS, {"input": [[1, 2], [3]]}),
    ("a number of log probabilities", COMPLETIONS, {"prompt": "x", "logprobs": 2}),
    (
        "parts that vLLM knows and upstream does not",
        CHAT,
        {"messages": [{"role": "user", "content": [{"type": "video_url", "video_url": {"url": "https://x.test/y"}}]}]},
    ),
    (
        "images in what a tool has returned",
        CHAT,
        {"messages": [HELLO, {"role": "tool", "tool_call_id": "a", "content": PARTS}]},
    ),
    (
        "a format of vLLM's",
        CHAT,
        {"messages": [HELLO], "response_format": {"type": "structural_tag", "structures": []}},
    ),
]


@dataclass(frozen=True)
class Ways:
    """Two servers of one backend: one with the lane, one without."""

    lane: StackServer
    upstream: StackServer
    backend: ScriptedBackend


@pytest.fixture(scope="module")
def ways(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ways]:
    with scripted_backend.serve() as backend:
        embedding_models = {EMBEDDING_MODEL: {"embedding_dimension": scripted_backend.DIMENSION}}
        provider = vllm_provider("vllm", backend.url, embedding_models=embedding_models)
        lane, upstream = (
            run_config(tmp_path_factory.mktemp(name), {"inference": [provider]}) for name in ("lane", "upstream")
        )
        # Where answers might be recorded the lane is closed; this mode records nothing.
        closed = {"LLAMA_STACK_TEST_INFERENCE_MODE": "live"}
        with stack_server.serve(lane) as first, stack_server.serve(upstream, closed) as second:
            yield Ways(first, second, backend)


MESSAGES: dict[str, Any] = {
    "one": [HELLO],
    "a conversation": [
        {"role": "system", "content": "be brief"},
        {"role": "user", "content": "hello", "name": "ann"},
        {"role": "assistant", "content": "hi"},
        {"role": "developer", "content": [{"type": "text", "text": "be briefer"}]},
        {"role": "user", "content": PARTS},
    ],
    "a tool's answer": [
        HELLO,
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "a", "type": "function", "function": {"name": "look_up", "arguments": "{}"}}],
        },
        {"role": "tool", "tool_call_id": "a", "content": "42"},
    ],
    "letters": [{"role": "user", "content": 'ünïcödé 日本語 \U0001f600 "quoted" \\ \n\t</script>'}],
    "a call": [{"role": "user", "content": 'call look_up {"a": "ü"}'}],
    "an empty text": [{"role": "user", "content": ""}],
}
PARAMETERS: dict[str, dict[str, Any]] = {
    "nothing": {},
    "sampling": {
        "temperature": 0.1,
        "top_p": 0.5,
        "seed": 7,
        "frequency_penalty": 0.1,
        "presence_penalty": -0.1,
        "n": 1,
    },
    "a limit": {"max_tokens": 5},
    "another limit": {"max_completion_tokens": 5},
    "tools": {"tools": [LOOK_UP], "tool_choice": "auto", "parallel_tool_calls": False},
    "a tool": {"tools": [LOOK_UP], "tool_choice": {"type": "function", "function": {"name": "look_up"}}},
    "no tool": {"tools": [LOOK_UP], "tool_choice": "none"},
    "no tools at all": {"tools": []},
    "stops": {"stop": ["a", "b"], "logit_bias": {"5": -1.0}, "user": "ann"},
    "a stop": {"stop": "a"},
    "log probabilities": {"logprobs": True, "top_logprobs": 2},
    "a format": {"response_format": {"type": "json_object"}},
    "a schema": {
        "response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}}}
    },
    "what vLLM adds": {"chat_template_kwargs": {"enable_thinking": False}, "top_k": 5, "guided_choice": ["a"]},
    "nulls": {"temperature": None, "tools": None, "stop": None, "response_format": None, "stream_options": None},
    "metadata": {"metadata": {"a": "b"}, "store": True},
}
MISTAKES: list[tuple[str, dict[str, Any]]] = [
    *((CHAT, {"messages": [HELLO], name: value}) for name, value in {
        "temperature": "hot", "n": "many", "stop": 5, "logit_bias": [1], "stream": "perhaps", "tools": "all",
        "tool_choice": "auto", "response_format": {"type": "json_schema"}, "max_tokens": 1.5, "store": "no",
        "metadata": {"a": "x" * 600}, "user": 5, "seed": "x", "top_logprobs": "two", "functions": {"a": 1},
    }.items()),
    (CHAT, {"messages": [HELLO], "tools": [LOOK_UP], "tool_choice": "sometimes"}),
    (CHAT, {"messages": [HELLO], "tools": [{"type": "function"}]}),
    (CHAT, {"messages": [HELLO], "tools": [{"type": "robot", "function": FUNCTION}]}),
    (CHAT, {"messages": []}),
    (CHAT, {"messages": "hello"}),
    (CHAT, {"messages": [{"role": "robot", "content": "x"}]}),
    (CHAT, {"messages": [{"role": "user"}]}),
    (CHAT, {"messages": [{"role": "user", "content": [{"type": "text"}]}]}),
    (CHAT, {"messages": [{"role": "tool", "content": "x"}]}),
    (CHAT, {}),
    (CHAT, {"messages": [HELLO], "model": "nope"}),
    (CHAT, {"messages": [HELLO], "model": "nobody/nope"}),
    (CHAT, {"messages": [HELLO], "model": ""}),
    (CHAT, {"messages": [HELLO], "model": 5}),
    (CHAT, {"messages": [HELLO], "model": EMBEDDER}),
    (CHAT, {"messages": [HELLO], "model": None}),
    (COMPLETIONS, {}),
    (COMPLETIONS, {"prompt": {"a": 1}}),
    (COMPLETIONS, {"prompt": ["a", 1]}),
    (COMPLETIONS, {"prompt": "x", "model": "nope"}),
    (COMPLETIONS, {"prompt": "x", "max_tokens": "few"}),
    (COMPLETIONS, {"prompt": "x", "model": EMBEDDER}),
    (EMBEDDINGS, {}),
    (EMBEDDINGS, {"input": None}),
    (EMBEDDINGS, {"input": {"a": 1}}),
    (EMBEDDINGS, {"input": "x", "dimensions": "few"}),
    (EMBEDDINGS, {"input": "x", "model": "nope"}),
    (EMBEDDINGS, {"input": "x", "model": MODEL}),
]  # fmt: skip
NO_JSON = [
    b"",
    b"{",
    b"[]",
    b"null",
    b'"x"',
    b'{"model": "\xff"}',
    b'{"a": NaN}',
    b"[" * 200 + b"]" * 200,
    b'{"a":"\\ud800"}',
]


def _model(path: str) -> str:
    return EMBEDDER if path == EMBEDDINGS else MODEL


def _both(ways: Ways, path: str, body: dict[str, Any]) -> tuple[httpx.Response, httpx.Response]:
    body = {"model": _model(path), **body}
    first, second = (httpx.post(f"{way.url}{path}", json=body, timeout=30) for way in (ways.lane, ways.upstream))
    return first, second


@pytest.mark.parametrize(("messages", "parameters"), list(product(MESSAGES, PARAMETERS)))
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_chats(ways: Ways, messages: str, parameters: str, stream: bool) -> None:
    name = f"{messages} {parameters} {stream}".replace(" ", "_")
    body = {"messages": MESSAGES[messages], **PARAMETERS[parameters], "user": name, "stream": stream}
    asked_before = len(ways.backend.asked)
    lane, upstream = _both(ways, CHAT, body)
    assert (lane.status_code, upstream.status_code) == (200, 200), lane.text
    assert lane.headers["content-type"] == upstream.headers["content-type"]
    by_lane, by_upstream = ways.backend.asked[asked_before:]
    assert by_lane == _as_sent_by_the_lane(by_upstream, body)
    assert _said(lane, stream) == _said(upstream, stream)
    assert _stored(ways.lane, name) == _stored(ways.upstream, name)


def _as_sent_by_the_lane(by_upstream: dict[str, Any], body: dict[str, Any]) -> dict[str, Any]:
    """The messages as they came, where upstream adds what its types know of and leaves out what they do not."""
    sent = {**by_upstream, "messages": body["messages"]}
    if not body["stream"]:
        sent["stream"] = False  # as it came; upstream leaves it out
    return sent


def _said(answer: httpx.Response, stream: bool) -> Any:
    """What an answer says to a client that knows llama-stack's types; null is as good as nothing."""
    if not stream:
        return _without_nulls(answer.json())
    events = [line.removeprefix("data: ") for line in answer.text.splitlines() if line]
    return [_without_nulls(json.loads(event)) for event in events if event != "[DONE]"]


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_nulls(one) for name, one in value.items() if one is not None}
    return [_without_nulls(one) for one in value] if isinstance(value, list) else value


def _stored(way: StackServer, name: str) -> Any:
    stored = httpx.get(f"{way.url}{CHAT}/chatcmpl-{name}").raise_for_status().json()
    return _without_nulls(stored)


@pytest.mark.parametrize(("path", "body"), MISTAKES)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_mistakes(ways: Ways, path: str, body: dict[str, Any], stream: bool) -> None:
    lane, upstream = _both(ways, path, {"stream": stream, **body})
    assert 400 <= lane.status_code < 500
    assert (lane.status_code, lane.json()) == (upstream.status_code, upstream.json())


@pytest.mark.parametrize("path", [CHAT, COMPLETIONS, EMBEDDINGS])
@pytest.mark.parametrize("content", NO_JSON)
def test_what_is_no_json(ways: Ways, path: str, content: bytes) -> None:
    headers = {"content-type": "application/json"}
    lane, upstream = (
        httpx.post(f"{way.url}{path}", content=content, headers=headers) for way in (ways.lane, ways.upstream)
    )
    assert 400 <= lane.status_code < 500
    assert (lane.status_code, lane.json()) == (upstream.status_code, upstream.json())


@pytest.mark.parametrize("prompt", ["a text", ["two", "texts"], [1, 2], [[1, 2], [3]], "ü"])
@pytest.mark.parametrize("parameters", [{}, {"max_tokens": 3, "temperature": 0.5, "stop": ["a"], "echo": True}])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_texts_to_complete(ways: Ways, prompt: Any, parameters: dict[str, Any], stream: bool) -> None:
    asked_before = len(ways.backend.asked)
    lane, upstream = _both(ways, COMPLETIONS, {"prompt": prompt, **parameters, "stream": stream})
    assert (lane.status_code, upstream.status_code) == (200, 200), lane.text
    by_lane, by_upstream = ways.backend.asked[asked_before:]
    assert by_lane == {**by_upstream, "stream": stream}
    if not stream:
        assert _without_nulls(upstream.json()).items() <= _without_nulls(lane.json()).items()


@pytest.mark.parametrize("given", ["a text", ["two", "texts"], ["x"] * 100, "ü", ""])
@pytest.mark.parametrize("parameters", [{}, {"encoding_format": "float", "dimensions": 8, "user": "ann"}])
def test_texts_to_embed(ways: Ways, given: Any, parameters: dict[str, Any]) -> None:
    asked_before = len(ways.backend.asked)
    lane, upstream = _both(ways, EMBEDDINGS, {"input": given, **parameters})
    assert (lane.status_code, upstream.status_code) == (200, 200), lane.text
    by_lane, by_upstream = ways.backend.asked[asked_before:]
    assert {"encoding_format": "float", **by_lane} == by_upstream  # upstream's default, which is the services' own
    assert lane.json()["data"] == upstream.json()["data"]
    assert lane.json()["model"] == upstream.json()["model"]


@pytest.mark.parametrize(("deviation", "path", "body"), ONLY_IN_THE_LANE)
def test_where_the_lane_knows_more(ways: Ways, deviation: str, path: str, body: dict[str, Any]) -> None:
    asked_before = len(ways.backend.asked)
    lane, upstream = _both(ways, path, body)
    assert upstream.status_code == 400, "upstream's way can do it, too: this is no deviation any more"
    assert lane.status_code == 200, deviation
    [asked] = ways.backend.asked[asked_before:]
    assert {name: asked[name] for name in body} == body


def test_a_good_answer_is_the_backends_bytes(ways: Ways) -> None:
    body = {"messages": [HELLO]}
    straight = httpx.post(f"{ways.backend.url}/chat/completions", json={"model": CHAT_MODEL, **body}).json()
    through, _ = _both(ways, CHAT, body)
    assert through.json() == {**straight, "model": MODEL}


def test_a_stream_is_the_backends_bytes(ways: Ways) -> None:
    body = {"messages": [HELLO], "stream": True}
    straight = httpx.post(f"{ways.backend.url}/chat/completions", json={"model": CHAT_MODEL, **body}).text
    through, on_upstreams_way = _both(ways, CHAT, body)
    assert straight.endswith("data: [DONE]\n\n")
    assert _parsed(through.text) == _parsed(straight.replace(f'"{CHAT_MODEL}"', f'"{MODEL}"'))
    assert "[DONE]" not in on_upstreams_way.text


def _parsed(events: str) -> list[Any]:
    return [json.loads(line.removeprefix("data: ")) for line in events.splitlines() if line and "[DONE]" not in line]


def test_llama_stacks_own_client_reads_a_stream_to_its_end(ways: Ways) -> None:
    for way in (ways.lane, ways.upstream):
        client: Any = way.client
        stream = client.chat.completions.create(model=MODEL, messages=[HELLO], stream=True)
        assert "".join(chunk.choices[0].delta.content or "" for chunk in stream) == 'You said: "hello"'
