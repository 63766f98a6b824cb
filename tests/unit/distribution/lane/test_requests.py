"""What bodies the lane knows, and what of them goes on."""

import json
from typing import Any

import pytest

from distribution.lane.requests import ChatRequest, CompletionRequest, EmbeddingsRequest, Reader

CHAT, COMPLETION, EMBEDDINGS = Reader(ChatRequest), Reader(CompletionRequest), Reader(EmbeddingsRequest)
HELLO = {"role": "user", "content": "hello"}
LOOK_UP = {"type": "function", "function": {"name": "look_up", "parameters": {"type": "object"}}}


def _chat(**fields: Any) -> bytes:
    return json.dumps({"model": "vllm/m", "messages": [HELLO], **fields}).encode()


def test_what_goes_on_is_what_came_but_for_the_model() -> None:
    body = (
        b'{ "model": "vllm/m", "messages": [{"role":"user", "content":"h\\u00e9"}], '
        b'"temperature": 0.30000000000000004, '
        b'"seed":123456789012345678901234567890, "chat_template_kwargs" : {"enable_thinking": false},"top_p":1e-1 }'
    )
    known = CHAT.read(body)
    assert known is not None
    assert known.to_send("m") == (
        b'{"model":"m","messages":[{"role":"user", "content":"h\\u00e9"}],"temperature":0.30000000000000004,'
        b'"seed":123456789012345678901234567890,"chat_template_kwargs":{"enable_thinking": false},"top_p":1e-1}'
    )
    assert known.raw("messages") == b'[{"role":"user", "content":"h\\u00e9"}]'


def test_what_is_kept_here_does_not_go_on_and_nothing_is_nothing() -> None:
    known = CHAT.read(_chat(store=True, metadata={"a": "b"}, stop=None, user="somebody"))
    assert known is not None
    assert json.loads(known.to_send("m")) == {"model": "m", "messages": [HELLO], "user": "somebody"}
    assert known.request.store is True


def test_what_is_added_goes_on() -> None:
    known = CHAT.read(_chat(max_tokens=None))
    assert known is not None
    assert not known.request.limits_tokens
    assert json.loads(known.to_send("m", {"max_tokens": 5}))["max_tokens"] == 5


@pytest.mark.parametrize("limit", ["max_tokens", "max_completion_tokens"])
def test_a_limit_of_tokens_is_seen(limit: str) -> None:
    known = CHAT.read(_chat(**{limit: 3}))
    assert known is not None
    assert known.request.limits_tokens


def test_tools_that_must_not_be_called_are_not_offered() -> None:
    known = CHAT.read(_chat(tools=[LOOK_UP], tool_choice="none"))
    assert known is not None
    assert json.loads(known.to_send("m")) == {"model": "m", "messages": [HELLO]}
    known = CHAT.read(_chat(tools=[LOOK_UP], tool_choice="required", parallel_tool_calls=False))
    assert known is not None
    assert json.loads(known.to_send("m"))["tools"] == [LOOK_UP]
    assert json.loads(known.to_send("m"))["tool_choice"] == "required"


def test_the_last_of_two_of_one_name_is_what_was_looked_at_and_what_goes_on() -> None:
    known = CHAT.read(b'{"model":"theirs","messages":[{"role":"user","content":"x"}],"model":"mine"}')
    assert known is not None
    assert known.request.model == "mine"
    assert known.to_send(known.request.model).count(b"model") == 1


@pytest.mark.parametrize(
    "messages",
    [
        [{"role": "developer", "content": "be brief"}, HELLO],
        [{"role": "system", "content": [{"type": "text", "text": "be brief"}], "name": "s"}, HELLO],
        [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://x/y.png"}}]}],
        [{"role": "user", "content": [{"type": "video_url", "video_url": {"url": "https://x/y.mp4"}}]}],
        [{"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "", "format": "wav"}}]}],
        [{"role": "assistant", "tool_calls": [{"id": "a", "type": "function", "function": {"name": "f"}}]}],
        [{"role": "assistant", "content": "x", "reasoning_content": "y"}, HELLO],
        [{"role": "tool", "tool_call_id": "a", "content": "42"}],
    ],
)
def test_messages_that_are_known(messages: list[dict[str, Any]]) -> None:
    known = CHAT.read(_chat(messages=messages))
    assert known is not None
    assert json.loads(known.to_send("m"))["messages"] == messages


@pytest.mark.parametrize(
    "fields",
    [
        {"messages": []},
        {"messages": None},
        {"messages": "hello"},
        {"messages": [{"content": "no role"}]},
        {"messages": [{"role": "robot", "content": "x"}]},
        {"messages": [{"role": "user"}]},
        {"messages": [{"role": "user", "content": None}]},
        {"messages": [{"role": "user", "content": 5}]},
        {"messages": [{"role": "user", "content": [{"type": "text"}]}]},
        {"messages": [{"role": "tool", "content": "without a call"}]},
        {"model": 5},
        {"temperature": "hot"},
        {"n": 1.5},
        {"stream": "yes"},
        {"store": "no"},
        {"metadata": {"a": 1}},
        {"metadata": {"a": "x" * 600}},
        {"logit_bias": {"50256": "much"}},
        {"tool_choice": "auto"},
        {"tools": [{"type": "custom", "custom": {"name": "x"}}]},
        {"tools": [LOOK_UP], "tool_choice": "sometimes"},
        {"response_format": {"type": "json_schema"}},
        {"response_format": "json"},
    ],
)
def test_mistakes_are_upstreams_to_answer(fields: dict[str, Any]) -> None:
    assert CHAT.read(_chat(**fields)) is None


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"null", b'"x"', b'{"messages":[{"role":"user","content":"x"}]}', b"\xff"]
)
def test_what_is_no_request_is_upstreams_to_answer(body: bytes) -> None:
    assert CHAT.read(body) is None


@pytest.mark.parametrize("given", ["a text", ["two", "texts"], [1, 2], [[1, 2], [3]]])
def test_texts_and_tokens_are_known(given: Any) -> None:
    completion = COMPLETION.read(json.dumps({"model": "m", "prompt": given}).encode())
    embeddings = EMBEDDINGS.read(json.dumps({"model": "m", "input": given, "dimensions": 8}).encode())
    assert completion is not None and json.loads(completion.to_send("n"))["prompt"] == given
    assert embeddings is not None and json.loads(embeddings.to_send("n"))["input"] == given


@pytest.mark.parametrize("given", [None, [], 5, ["a", 1], [[1], "a"], {"a": 1}, [["a"]], [None]])
def test_what_is_no_text_is_not_known(given: Any) -> None:
    assert COMPLETION.read(json.dumps({"model": "m", "prompt": given}).encode()) is None
    assert EMBEDDINGS.read(json.dumps({"model": "m", "input": given}).encode()) is None
