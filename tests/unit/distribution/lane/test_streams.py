"""Streams: whole events, whatever pieces they come in."""

import json

import pytest

from distribution.lane import streams
from distribution.lane.failures import Refusal, ServiceBroke

EVENTS = [
    b'data: {"id":"1","model":"m","choices":[{"index":0,"delta":{"content":"h\xc3\xa9"}}]}\n\n',
    b": a comment\n\n",
    b'event: message\ndata: {"id":"1",\ndata: "model":"m"}\n\n',
    b'data: {"a":"\\n\\n"}\r\n\r\n',
    b"data: [DONE]\n\n",
]


@pytest.mark.parametrize("size", range(1, 40))
def test_events_are_cut_wherever_a_part_ends(size: int) -> None:
    text = b"".join(EVENTS)
    events = streams.Events()
    found = [event for start in range(0, len(text), size) for event in events.cut(text[start : start + size])]
    assert found == EVENTS
    assert events.is_whole


def test_half_an_event_is_seen() -> None:
    events = streams.Events()
    assert list(events.cut(EVENTS[0] + b'data: {"id"')) == EVENTS[:1]
    assert not events.is_whole


def test_an_event_without_an_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "MOST_BYTES", 1000)
    events = streams.Events()
    with pytest.raises(ServiceBroke, match="more than 1000 bytes"):
        for _ in range(10):
            list(events.cut(b"x" * 200))


def test_what_an_event_says() -> None:
    assert [streams.data_of(event) for event in EVENTS] == [
        EVENTS[0][6:-2],
        b"",
        b'{"id":"1",\n"model":"m"}',
        b'{"a":"\\n\\n"}',
        streams.DONE,
    ]


def test_the_model_is_renamed_and_nothing_else() -> None:
    data = b'{"id": "1", "model":"m","choices":[{"delta":{"content":"the \\"model\\":\\"m\\""}}],"x":1.50}'
    event = b"id: 7\ndata: " + data + b"\n\n"
    renamed = streams.renamed(event, data, "m", "vllm/m")
    assert renamed.startswith(b"id: 7\ndata: {") and renamed.endswith(b"}\n\n")
    assert b'"x":1.50' in renamed
    assert json.loads(streams.data_of(renamed)) == {**json.loads(data), "model": "vllm/m"}
    assert streams.renamed(event, data, "vllm/m", "vllm/m") is event
    assert streams.renamed(event, data, None, "vllm/m") is event


@pytest.mark.parametrize(
    ("data", "status", "message"),
    [
        (b'{"error":{"message":"too long","code":400}}', 400, "too long"),
        (b'{"error":{"message":"engine dead","code":"x"}}', 500, "engine dead"),
        (b'{"error":"no"}', 500, "no"),
    ],
)
def test_an_error_in_place_of_a_chunk(data: bytes, status: int, message: str) -> None:
    with pytest.raises(Refusal, match=message) as error:
        streams.chunk_of(data)
    assert error.value.status_code == status


@pytest.mark.parametrize("data", [b"<html>", b"[1]", b"{", b"5"])
def test_what_is_no_chunk(data: bytes) -> None:
    with pytest.raises(ServiceBroke, match="no chunk"):
        streams.chunk_of(data)
