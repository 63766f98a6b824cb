"""A model's server that misbehaves: each fault has a clear status and OpenAI's error body, and nothing leaks."""

import json
import re
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest
import requests

from tests.support import faulty_backend
from tests.support.faulty_backend import EMBEDDING_MODEL, MODEL, RETRY_AFTER, TEXT, FaultyBackend
from tests.support.process import LOOPBACK, free_port
from tests.support.resources import Meter, resident_megabytes
from tests.support.run_configs import run_config, vllm_provider
from tests.support.stack_server import StackServer, serve

SHORT = {"BACKEND_CONNECT_SECONDS": "1", "BACKEND_ANSWER_SECONDS": "1", "BACKEND_SILENCE_SECONDS": "1"}
CHAT, TEXTS, EMBEDDINGS = "chat/completions", "completions", "embeddings"
ROUTES = (CHAT, TEXTS, EMBEDDINGS)
ROUNDS = 8
MOST_MEGABYTES_MORE = 24
"""What the allocator may keep after a few hundred requests; a body of one that stays is 30 kB or more."""

NO_ANSWER = "answers what is no answer of OpenAI's API: "
BEFORE = "closed the connection before it answered"
IN_THE_MIDDLE = "closed the connection in the middle of its answer"
TOO_MUCH = "sends more than 524288 bytes around what it has to say"
PLAIN = {
    "hang": (504, "did not answer in time"),
    "hang in the middle": (504, "stopped in the middle of its answer"),
    "die": (502, BEFORE),
    "die in the head": (502, BEFORE),
    "die in the middle": (502, IN_THE_MIDDLE),
    "die with half a chunk": (502, IN_THE_MIDDLE),
    "end with the connection": (502, NO_ANSWER + "Input data was truncated"),
    "html": (502, NO_ANSWER + "a page of HTML"),
    "login": (502, "answers 302 and sends everybody to https://sso.example/login"),
    "no json": (502, NO_ANSWER + "no JSON"),
    "a list": (502, NO_ANSWER + "Expected `object`, got `array`"),
    "nothing": (502, NO_ANSWER + "no JSON"),
    "no http": (502, "answers what is no HTTP"),
    "both lengths": (502, "answers what is no HTTP"),
    "two lengths": (502, "answers what is no HTTP"),
    "head for ever": (502, TOO_MUCH),
    "header for ever": (502, TOO_MUCH),
    "100 for ever": (502, TOO_MUCH),
    "trailers for ever": (502, TOO_MUCH),
    "for ever": (502, "answers with more than 268435456 bytes"),
    "error for ever": (502, "answers with more than 1048576 bytes"),
    "empty 503": (503, "answers 503"),
    "html 502": (502, "answers 502 with a page of HTML"),
}
"""Fault -> status and message behind the service's name, of what is no stream."""
PLAIN_OF_TEXTS = {
    "no choices": (502, NO_ANSWER + "Object missing required field `choices`"),
    "empty choices": (502, "answers without choices"),
    "deep": (502, NO_ANSWER + "maximum recursion depth exceeded"),
    "no utf8": (502, NO_ANSWER + "'utf-8' codec can't decode byte 0xff"),
}
NO_STREAM = "answers no stream but "
STREAM_BEFORE = {
    **{fault: PLAIN[fault] for fault in ("hang", "die", "die in the head", "login", "no http", "both lengths")},
    **{fault: PLAIN[fault] for fault in ("head for ever", "100 for ever", "error for ever", "empty 503", "html 502")},
    "html": (502, NO_STREAM + "text/html"),
    "no json": (502, NO_STREAM + "application/json"),
    "event for ever": (502, "sends an event of more than 16777216 bytes"),
}
"""The same of streams of which no event has come."""
NO_CHUNK = "sends what is no chunk of OpenAI's API: "
STREAM_LATER = {
    "hang in the middle": (504, "stopped in the middle of its answer"),
    "die in the middle": (502, IN_THE_MIDDLE),
    "die with half a chunk": (502, IN_THE_MIDDLE),
    "end with the connection": (502, IN_THE_MIDDLE),
    "half an event": (502, "ends its stream in the middle of an event"),
    "no json later": (502, NO_CHUNK + "JSON is malformed"),
    "deep later": (502, NO_CHUNK + "maximum recursion depth exceeded"),
    "no utf8 later": (502, NO_CHUNK + "'utf-8' codec can't decode byte 0xff"),
}
"""The same of streams that have begun, whose last event says it."""
SLOW = ("hang", "hang in the middle", "for ever", "event for ever", "error for ever")
"""What takes a second, or megabytes."""


@dataclass(frozen=True)
class Served:
    """A server in front of a backend, and what measures it."""

    stack: StackServer
    backend: FaultyBackend
    meter: Meter

    def ask(self, route: str, order: str = "", provider: str = "vllm", **more: Any) -> requests.Response:
        """Send a request that tells the backend what to do."""
        text = f"do: {order}" if order else "Hello"
        model = f"{provider}/{EMBEDDING_MODEL if route == EMBEDDINGS else MODEL}"
        bodies: dict[str, dict[str, Any]] = {
            CHAT: {"messages": [{"role": "user", "content": text}]},
            TEXTS: {"prompt": text},
            EMBEDDINGS: {"input": text},
        }
        body = {"model": model, **bodies[route], **more}
        headers = {"connection": "close"}
        return requests.post(f"{self.stack.url}/v1/{route}", json=body, headers=headers, timeout=30)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    directory = tmp_path_factory.mktemp("faults")
    meter = Meter(directory)
    with (
        faulty_backend.serve() as backend,
        socket.create_server((LOOPBACK, 0), backlog=0) as deaf,
        socket.create_connection(deaf.getsockname()),  # which is all that fits into the queue
    ):
        embedding_models = {EMBEDDING_MODEL: {"embedding_dimension": 2}}
        providers = [
            vllm_provider("vllm", backend.url, embedding_models=embedding_models),
            vllm_provider("down", f"http://{LOOPBACK}:{free_port()}/v1", allowed_models=[]),
            vllm_provider("deaf", f"http://{LOOPBACK}:{deaf.getsockname()[1]}/v1", allowed_models=[]),
        ]
        models = [{"model_id": MODEL, "provider_id": name, "model_type": "llm"} for name in ("down", "deaf")]
        config = run_config(directory, {"inference": providers}, registered_resources={"models": models})
        with serve(config, env={**SHORT, **meter.environment}) as stack:
            yield Served(stack, backend, meter)


def error_of(answer: requests.Response) -> dict[str, Any]:
    error = answer.json()["error"]
    assert set(error) >= {"message", "type", "param", "code"}
    return dict(error)


def events_of(answer: requests.Response) -> list[Any]:
    """The data of a stream's events, decoded where they are JSON."""
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    *events, rest = re.split(r"\r?\n\r?\n", answer.text)
    assert rest == ""
    data = [event[6:] for event in events if event.startswith("data: ")]
    return [one if one == "[DONE]" else json.loads(one) for one in data]


@pytest.mark.parametrize("route", ROUTES)
def test_an_answer_that_is_none(served: Served, route: str) -> None:
    faults = PLAIN if route == EMBEDDINGS else {**PLAIN, **PLAIN_OF_TEXTS}
    with ThreadPoolExecutor(4) as pool:
        answers = dict(zip(faults, pool.map(lambda fault: served.ask(route, fault), faults), strict=True))
    for fault, (status, message) in faults.items():
        error = error_of(answers[fault])
        assert answers[fault].status_code == error["code"] == status, fault
        assert error["message"].startswith(f"vLLM at {served.backend.url} {message}"), fault
        assert error["type"] == "server_error"


@pytest.mark.parametrize("route", [CHAT, TEXTS])
def test_a_stream_that_does_not_begin(served: Served, route: str) -> None:
    with ThreadPoolExecutor(4) as pool:
        asked = pool.map(lambda fault: served.ask(route, fault, stream=True), STREAM_BEFORE)
        answers = dict(zip(STREAM_BEFORE, asked, strict=True))
    for fault, (status, message) in STREAM_BEFORE.items():
        error = error_of(answers[fault])
        assert answers[fault].status_code == error["code"] == status, fault
        assert error["message"].startswith(f"vLLM at {served.backend.url} {message}"), fault


@pytest.mark.parametrize("fault", STREAM_LATER)
@pytest.mark.parametrize("route", [CHAT, TEXTS])
def test_a_stream_that_does_not_end_well(served: Served, route: str, fault: str) -> None:
    *events, last = events_of(served.ask(route, fault, stream=True))

    assert events[0]["model"] == "vllm/scripted"
    assert not any("error" in event for event in events)
    status, message = STREAM_LATER[fault]
    assert last["error"]["message"].startswith(f"vLLM at {served.backend.url} {message}")
    assert (last["error"]["code"], last["error"]["type"]) == (status, "server_error")


def test_an_error_in_place_of_a_stream_is_the_answer(served: Served) -> None:
    answer = served.ask(CHAT, "error first", stream=True)

    assert answer.status_code == 503
    assert error_of(answer)["message"] == "out of memory"


def test_an_error_in_a_stream_is_its_last_event(served: Served) -> None:
    *events, last = events_of(served.ask(CHAT, "error later", stream=True))

    assert [event["choices"][0]["delta"]["content"] for event in events] == ["word0 ", "word1 "]
    assert last == {"error": {"message": "out of memory", "type": "server_error", "param": None, "code": 503}}


@pytest.mark.parametrize("more", [{}, {"stream": True}])
@pytest.mark.parametrize("status", [400, 401, 404, 422, 429, 500, 503, 529])
def test_a_refusal_is_passed_on(served: Served, status: int, more: dict[str, Any]) -> None:
    for route in [CHAT, TEXTS] if more else ROUTES:
        answer = served.ask(route, f"status {status}", **more)

        assert answer.status_code == status
        assert error_of(answer)["message"] == f"refused with {status}"
        assert answer.headers["retry-after"] == RETRY_AFTER


@pytest.mark.parametrize(("value", "status"), [("strange", 429), ("folded", 502), ("long", 429)])
def test_a_header_that_says_no_time_is_not_passed_on(served: Served, value: str, status: int) -> None:
    answer = served.ask(CHAT, f"{value} retry-after")

    assert answer.status_code == status
    assert {"retry-after", "x-forged"}.isdisjoint(name.lower() for name in answer.headers)


def test_an_error_that_cannot_be_read_is_one_all_the_same(served: Served) -> None:
    answer = served.ask(CHAT, "deep 400")

    assert answer.status_code == 400
    assert error_of(answer)["message"].startswith("[[[")
    assert len(answer.content) < 10_000


def test_a_service_that_is_not_there(served: Served) -> None:
    for stream in (False, True):
        answer = served.ask(CHAT, provider="down", stream=stream)
        assert answer.status_code == 502
        assert re.match(r"vLLM at http://127\.0\.0\.1:\d+/v1 cannot be reached: .*refused", error_of(answer)["message"])

        answer = served.ask(CHAT, provider="deaf", stream=stream)
        assert answer.status_code == 502
        assert re.fullmatch(
            r"vLLM at http://127\.0\.0\.1:\d+/v1 cannot be reached: no connection in time", error_of(answer)["message"]
        )


@pytest.mark.parametrize("fault", ["trickle", "100 first", "trailers"])
@pytest.mark.parametrize("route", ROUTES)
def test_what_is_unusual_and_no_fault(served: Served, route: str, fault: str) -> None:
    answer = served.ask(route, fault)

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert "retry-after" not in answer.headers
    assert answer.json()["model"].startswith("vllm/")
    assert (TEXT in answer.text) == (route != EMBEDDINGS)


@pytest.mark.parametrize(
    "fault", ["trickle", "100 first", "trailers", "crlf", "comments", "comments alone", "one packet", "odd usage"]
)
@pytest.mark.parametrize("route", [CHAT, TEXTS])
def test_what_is_unusual_in_a_stream(served: Served, route: str, fault: str) -> None:
    *events, last = events_of(served.ask(route, fault, stream=True))

    chosen = [event["choices"][0] for event in events if event["choices"]]
    assert [one.get("text") or one.get("delta", {}).get("content") or "" for one in chosen] == [
        "word0 ",
        "word1 ",
        "word2 ",
        "",
    ]
    assert chosen[-1]["finish_reason"] == "stop"
    assert last == "[DONE]"


def test_connections_that_were_closed_while_idle_are_replaced_without_a_word(served: Served) -> None:
    for route in ROUTES:
        assert served.ask(route).status_code == 200
        served.backend.hang_up_idle()
        assert served.ask(route).status_code == 200


def test_a_request_that_kills_the_service_meets_it_twice_at_most(served: Served) -> None:
    with ThreadPoolExecutor(8) as pool:
        assert {one.status_code for one in pool.map(lambda _: served.ask(CHAT, "slowly"), range(8))} == {200}
    assert served.backend.connections >= 8  # all of them idle
    before = len(served.backend.asked)

    assert served.ask(CHAT, "die").status_code == 502

    assert len(served.backend.asked) - before <= 2


def test_nobody_gets_what_was_answered_without_being_asked(served: Served) -> None:
    for _ in range(20):
        answer = served.ask(CHAT, "two answers")
        assert answer.status_code == 200
        after = served.ask(CHAT)
        assert after.status_code == 200
        assert "stolen" not in after.text


def test_nothing_leaks(served: Served) -> None:
    of_streams = [*STREAM_BEFORE, *STREAM_LATER, "error first", "error later", "crlf", "comments", "well"]
    of_answers = [*PLAIN, *PLAIN_OF_TEXTS, "status 429", "deep 400", "two answers", "trickle", "well"]
    some = [(fault, True) for fault in of_streams] + [(fault, False) for fault in of_answers]

    def some_requests(rounds: int, *, of_slow: bool) -> int:
        with ThreadPoolExecutor(16) as pool:
            todo = [one for one in some if of_slow or one[0] not in SLOW] * rounds
            return len(list(pool.map(lambda one: served.ask(CHAT, one[0], stream=one[1]), todo)))

    def settled() -> Any:
        served.backend.hang_up_idle()
        return served.meter.read(served.stack.program)

    some_requests(2, of_slow=True)
    before, memory = settled(), resident_megabytes(served.stack.program)
    assert some_requests(ROUNDS, of_slow=False) > 300
    some_requests(1, of_slow=True)

    deadline = time.monotonic() + 10
    while not (after := settled()).is_within(before) or served.backend.connections:
        assert time.monotonic() < deadline, (after, before, served.backend.connections)
        time.sleep(0.1)
    assert resident_megabytes(served.stack.program) < memory + MOST_MEGABYTES_MORE
    assert requests.get(f"{served.stack.url}/v1/health", timeout=5).status_code == 200


def test_the_log_has_a_line_of_each_and_no_traceback(served: Served) -> None:
    served.ask(CHAT, "html")
    served.ask(CHAT, "die in the middle", stream=True)

    log = " ".join(served.stack.program.log.read_text().split())
    assert f"vLLM at {served.backend.url} answers what is no answer of OpenAI's API: a page of HTML" in log
    assert f"vLLM at {served.backend.url} closed the connection in the middle of its answer" in log
    for word in ("Traceback", "was never retrieved", "was destroyed", "ASGI", "was never awaited"):
        assert word not in log
