"""What is wrong with a body, told without parsing it; and a middleware that reads no more than it may."""

import asyncio
import json

import pytest
from starlette.exceptions import HTTPException
from starlette.types import Message, Receive, Scope, Send

from distribution.overlay.request_limits import MAX_CONTAINERS, MAX_DEPTH, RequestLimits, problem_of


def nested(depth: int) -> bytes:
    return b"[" * depth + b"]" * depth


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        nested(MAX_DEPTH),
        json.dumps("[" * 1000).encode(),
        json.dumps(["[]" * MAX_CONTAINERS, "{}"]).encode(),
        json.dumps(["\\", "[" * 1000, '"' + "{" * 1000]).encode(),
        b"[" + b"[]," * 1000 + b"[]]",
        json.dumps({"text": "NaN 1e999 \\ud800 \U0001f600 \0"}).encode(),
        b'["\\ud83d\\ude00", "\\\\ud800", "\\\\\\\\udfff", 1e308, -1.5E+307, 1e-999]',
        '"\u225b \u5b22"'.encode(),
    ],
)
def test_a_body_that_is_sound(body: bytes) -> None:
    assert problem_of(body) == ""


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (nested(MAX_DEPTH + 1), "nested deeper"),
        (b"[" * 10_000, "nested deeper"),
        (b'["\\\\", ' + nested(MAX_DEPTH) + b"]", "nested deeper"),
        (b'"never closed [[[' + b'", ' + nested(MAX_DEPTH + 1), "nested deeper"),
        (b"[" + b"[]," * MAX_CONTAINERS + b"[]]", "arrays and objects"),
        (b'"\\ud800"', "surrogate"),
        (b'"\\uDFFF"', "surrogate"),
        (b'"\\ud800\\u0041"', "surrogate"),
        (b'"\\\\\\ud800"', "surrogate"),
        (b'"\xed\xa0\x80"', "UTF-8"),
        (b'"\xff"', "UTF-8"),
        ("[]".encode("utf-16"), "UTF-8"),
        ("[]".encode("utf-16-be"), "UTF-8"),
        (b"[NaN]", "infinite or none"),
        (b"[-Infinity]", "infinite or none"),
        (b"[1e400]", "infinite or none"),
        (b"[1E+0400]", "infinite or none"),
        (b"[" + b"9" * 400 + b".0]", "infinite or none"),
    ],
)
def test_a_body_that_is_not(body: bytes, problem: str) -> None:
    assert problem in problem_of(body)


def served(*parts: bytes, headers: list[tuple[bytes, bytes]], path: str = "/v1/x") -> bytes:
    """What the application behind the middleware reads of a request with these parts; 10 bytes are allowed."""
    messages: list[Message] = [{"type": "http.request", "body": part, "more_body": True} for part in parts]
    messages.append({"type": "http.request", "body": b"", "more_body": False})
    read = bytearray()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        more = True
        while more:
            message = await receive()
            read.extend(message["body"])
            more = message["more_body"]

    async def receive() -> Message:
        return messages.pop(0)

    async def send(message: Message) -> None:
        raise AssertionError(message)

    limits = RequestLimits(app, max_bytes=10, uploads=frozenset({"/v1/files"}))
    asyncio.run(limits({"type": "http", "path": path, "headers": headers}, receive, send))
    return bytes(read)


def test_a_body_within_the_limit_comes_whole() -> None:
    assert served(b"[1,", b"2]", headers=[(b"content-length", b"5")]) == b"[1,2]"
    assert served(b"[1,", b"2]", headers=[(b"transfer-encoding", b"chunked")]) == b"[1,2]"


@pytest.mark.parametrize("headers", [[(b"content-length", b"11")], [(b"transfer-encoding", b"chunked")]])
def test_a_body_beyond_it_does_not(headers: list[tuple[bytes, bytes]]) -> None:
    with pytest.raises(HTTPException) as refused:
        served(b"[1,2,3", b",4,5]", headers=headers)

    assert refused.value.status_code == 413


def test_an_upload_has_a_limit_of_its_own() -> None:
    assert served(b"x" * 100, headers=[(b"content-length", b"100")], path="/v1/files") == b"x" * 100


def test_a_form_is_no_json() -> None:
    form = [(b"content-type", b"Multipart/Form-Data; boundary=x"), (b"content-length", b"4")]

    assert served(b"\xff\0", headers=form) == b"\xff\0"
