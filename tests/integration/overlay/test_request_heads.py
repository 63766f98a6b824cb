"""Heads of requests that do not end."""

from collections.abc import Iterator
from contextlib import suppress

import pytest
import requests

from distribution.overlay.request_heads import LONGEST
from tests.support.raw_client import connected, read_until
from tests.support.resources import forget_most_resident, most_resident_megabytes, resident_megabytes
from tests.support.run_configs import run_config
from tests.support.stack_server import StackServer, serve

HEAD = b"GET /v1/version HTTP/1.1\r\nHost: test\r\n"
CHUNKED = (
    b"POST /v1/prompts HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
)
MUCH = 64 << 20
MOST_MEGABYTES = 16


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackServer]:
    with serve(run_config(tmp_path_factory.mktemp("heads"), {})) as server:
        yield server


@pytest.mark.parametrize(
    ("begin", "more"),
    [
        (HEAD, b"X-A: b\r\n" * 1024),
        (HEAD + b"X-A: ", b"a" * 8192),
        (HEAD, b"x" * 8192),
        (b"GET /", b"a" * 8192),
        (CHUNKED + b"2\r\n{}\r\n0\r\n", b"X-A: b\r\n" * 1024),
        (CHUNKED + b"2;", b"a" * 8192),
    ],
    ids=["headers", "a value", "a name", "a path", "trailers", "an extension of a chunk"],
)
def test_what_does_not_end_is_ended(stack: StackServer, begin: bytes, more: bytes) -> None:
    memory = resident_megabytes(stack.program)
    forget_most_resident(stack.program)
    sent = 0
    with connected(stack.url) as client:
        client.sendall(begin)
        with suppress(ConnectionError):
            while sent < MUCH:
                client.sendall(more)
                sent += len(more)

    assert sent < MUCH
    assert most_resident_megabytes(stack.program) < memory + MOST_MEGABYTES
    assert requests.get(f"{stack.url}/v1/health", timeout=10).status_code == 200


def test_a_long_head_is_read(stack: StackServer) -> None:
    with connected(stack.url) as client:
        for _ in range(3):
            client.sendall(HEAD + b"X-A: " + b"a" * (LONGEST - 200) + b"\r\n\r\n")
            assert read_until(client, b"}").startswith(b"HTTP/1.1 200")


def test_many_requests_in_one_packet_are_read(stack: StackServer) -> None:
    requests_at_once = LONGEST * 2 // len(HEAD)
    with connected(stack.url) as client:
        client.sendall((HEAD + b"\r\n") * requests_at_once)
        answers = b""
        while answers.count(b"HTTP/1.1 200") < requests_at_once:
            part = client.recv(1 << 16)
            assert part
            answers += part


def test_trailers_are_no_headers(stack: StackServer) -> None:
    with connected(stack.url) as client:
        client.sendall(
            CHUNKED
            + b'c\r\n{"prompt":1}\r\n0\r\nAuthorization: Bearer x\r\nContent-Type: text/plain\r\n\r\n'
            + HEAD
            + b"\r\n"
        )
        answers = read_until(client, b'"version"')

    assert answers.startswith(b"HTTP/1.1 400")
    assert b"HTTP/1.1 200" in answers
