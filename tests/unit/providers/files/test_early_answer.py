"""An answer that comes before the request is complete, without a server."""

import asyncio

import pytest
from starlette.types import Message, Receive, Scope, Send

from providers.files import early_answer
from providers.files.early_answer import EarlyAnswer

START: Message = {"type": "http.response.start", "status": 413, "headers": [(b"content-length", b"2")]}
BODY: Message = {"type": "http.response.body", "body": b"no"}
END: Message = {"type": "http.response.body"}
CLOSING: Message = {**START, "headers": [*START["headers"], (b"connection", b"close")]}


def piece(more_body: bool) -> Message:
    """A piece of the request."""
    return {"type": "http.request", "body": b"x", "more_body": more_body}


def serve(request: list[Message], *, reads: int, answer: tuple[Message, ...] = (START, BODY)) -> list[Message]:
    """Answer after some reads; returns what was sent and, last, what of the request was not read.

    A client whose request goes on without end sends nothing more.
    """
    sent: list[Message] = []

    async def app(_scope: Scope, receive: Receive, send: Send) -> None:
        for _ in range(reads):
            await receive()
        for message in answer:
            await send(message)

    async def receive() -> Message:
        if not request:
            await asyncio.Event().wait()
        return request.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    asyncio.run(EarlyAnswer(app)({"type": "http"}, receive, send))
    return sent


def test_an_answer_to_a_complete_request_is_passed_on() -> None:
    assert serve([piece(True), piece(False)], reads=2) == [START, BODY]


@pytest.mark.parametrize("reads", [0, 1])
@pytest.mark.parametrize("last", [piece(False), {"type": "http.disconnect"}], ids=["complete", "client has gone"])
def test_the_rest_of_the_request_is_read_before_the_answer_ends(reads: int, last: Message) -> None:
    request = [piece(True), piece(True), last]

    assert serve(request, reads=reads) == [CLOSING, {**BODY, "more_body": True}, END]
    assert request == []


def test_a_client_that_does_not_end_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(early_answer, "_PATIENCE_SECS", 0.01)

    assert serve([piece(True)], reads=1) == [CLOSING, {**BODY, "more_body": True}, END]


def test_an_answer_in_pieces_ends_with_its_last() -> None:
    first: Message = {**BODY, "more_body": True}

    sent = serve([piece(True), piece(False)], reads=1, answer=(START, first, BODY))
    assert sent == [CLOSING, first, {**BODY, "more_body": True}, END]
