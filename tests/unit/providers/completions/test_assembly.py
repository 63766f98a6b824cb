"""What the chunks of a stream come to is what an answer in one piece would be."""

from typing import Any

import pytest

from providers.completions import assembly as module
from providers.completions.assembly import Assembly, TooLong

HEAD = {"id": "c-1", "created": 5, "model": "m", "object": "chat.completion.chunk"}


def chunk(delta: dict[str, Any] | None = None, index: int = 0, **more: Any) -> dict[str, Any]:
    """A chunk with one choice."""
    return {**HEAD, "choices": [{"index": index, "delta": delta, "finish_reason": None, **more}]}


def assembled(*chunks: dict[str, Any], expected: int = 1) -> Assembly:
    """What they come to."""
    whole = Assembly(expected)
    for one in chunks:
        whole.add(one)
    return whole


def test_texts_go_on_whatever_they_are_called() -> None:
    whole = assembled(
        chunk({"role": "assistant", "content": ""}),
        chunk({"role": "assistant", "reasoning_content": "Let "}),
        chunk({"reasoning_content": "me", "content": None}),
        chunk({"content": "Hel"}),
        chunk({"content": "lo"}),
        chunk({}, finish_reason="stop", stop_reason=7),
        {**HEAD, "choices": [], "usage": {"total_tokens": 3}, "system_fingerprint": "fp", "service_tier": "flex"},
    )
    message = {"role": "assistant", "content": "Hello", "reasoning_content": "Let me"}
    choice = {"index": 0, "message": message, "finish_reason": "stop", "stop_reason": 7, "logprobs": None}
    assert whole.completion() == {
        "id": "c-1",
        "created": 5,
        "usage": {"total_tokens": 3},
        "system_fingerprint": "fp",
        "service_tier": "flex",
        "choices": [choice],
    }


def test_tool_calls_and_log_probabilities_are_put_together() -> None:
    call = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "f", "arguments": ""}}
    whole = assembled(
        chunk({"tool_calls": [call]}, logprobs={"content": [{"token": "a"}]}),
        chunk(
            {"tool_calls": [{"index": 0, "function": {"arguments": '{"a"'}}]}, logprobs={"content": [{"token": "b"}]}
        ),
        chunk({"tool_calls": [{**call, "index": 1, "id": "call_2"}, {"index": 0, "function": {"arguments": ":1}"}}]}),
        chunk({}, finish_reason="tool_calls"),
    ).completion()["choices"][0]
    assert whole["message"]["tool_calls"] == [
        {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}},
        {"id": "call_2", "type": "function", "function": {"name": "f", "arguments": ""}},
    ]
    assert whole["message"]["content"] is None
    assert whole["logprobs"] == {"content": [{"token": "a"}, {"token": "b"}]}


def test_all_choices_have_to_be_finished() -> None:
    whole = assembled(chunk({"content": "b"}, 1), chunk({"content": "a"}), chunk({}, finish_reason="stop"), expected=2)
    assert not whole.is_finished
    whole.add(chunk({}, 1, finish_reason="length"))
    assert whole.is_finished
    assert [one["message"]["content"] for one in whole.completion()["choices"]] == ["a", "b"]
    assert [one["finish_reason"] for one in whole.completion()["choices"]] == ["stop", "length"]


def test_an_answer_that_was_left_has_an_end_that_clients_can_read() -> None:
    whole = assembled(chunk({"content": "Hel"}))
    assert whole.has_begun
    assert not whole.is_finished
    assert whole.completion()["choices"][0]["finish_reason"] == "stop"
    assert not Assembly().has_begun


def test_an_answer_without_end_takes_no_memory_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_CHARACTERS", 10)
    whole = assembled(*(chunk({"content": "x" * 5}) for _ in range(2)))
    assert whole.completion()["choices"][0]["message"]["content"] == "x" * 10
    whole.add(chunk({"content": "x"}))
    with pytest.raises(TooLong, match="longer than 10 characters"):
        whole.completion()


@pytest.mark.parametrize("choices", [5, ["text"], [{"delta": "text"}], [{"delta": {"tool_calls": [None]}}]])
def test_what_is_no_chunk_spoils_the_completion_alone(choices: Any) -> None:
    whole = assembled(chunk({"content": "Hello"}), {**HEAD, "choices": choices}, chunk({}, finish_reason="stop"))
    assert whole.is_finished
    with pytest.raises((AttributeError, TypeError)):
        whole.completion()
