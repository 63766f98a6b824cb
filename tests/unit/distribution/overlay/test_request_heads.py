"""What surrounds a body is as limited with httptools as it is with h11."""

import json
from typing import Any

import pytest

from distribution.overlay.request_heads import LONGEST
from tests.support.stack_server import run_python

# A server whose answer names the headers that the application has once it has read the body.
SERVER = """
import asyncio, json, socket, sys
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

async def app(scope, receive, send):
    while (await receive()).get("more_body"):
        pass
    names = json.dumps([name.decode() for name, _ in scope["headers"]]).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(names))]})
    await send({"type": "http.response.body", "body": names})

async def ask(address, parts):
    reader, writer = await asyncio.open_connection(*address)
    answer = asyncio.create_task(reader.read())
    for part, times in parts:
        for _ in range(times):
            writer.write(part.encode())
            await asyncio.wait([answer, asyncio.create_task(writer.drain())], return_when=asyncio.FIRST_COMPLETED)
            if answer.done():
                break
    try:
        return (await asyncio.wait_for(answer, 20)).decode()
    except ConnectionError:
        return "closed"

async def main():
    server = uvicorn.Server(uvicorn.Config(app, port=0, lifespan="off", log_level="critical", server_header=False))
    listener = socket.create_server(("127.0.0.1", 0))
    serving = asyncio.create_task(server.serve([listener]))
    while not server.started:
        await asyncio.sleep(0.01)
    assert server.config.http_protocol_class is HttpToolsProtocol
    print(json.dumps([await ask(listener.getsockname(), parts) for parts in json.loads(sys.argv[1])]))
    server.should_exit = True
    await serving

asyncio.run(main())
"""
HEAD = "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
CHUNKED = f"{HEAD}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n"
PIECE = "x" * 1000
TOO_MANY = LONGEST // 1000 + 10

Parts = list[tuple[str, int]]


def exchange(*requests: Parts) -> list[str]:
    answers: list[str] = json.loads(run_python(SERVER, json.dumps(requests)))
    return answers


def test_what_is_not_complete_has_a_limit() -> None:
    one_header: Parts = [(f"{HEAD}X-Long: ", 1), (PIECE, TOO_MANY)]
    many_headers: Parts = [(HEAD, 1), (f"X-Some: {PIECE}\r\n", TOO_MANY)]
    a_line: Parts = [("POST /", 1), (PIECE, TOO_MANY)]
    trailers: Parts = [(CHUNKED, 1), (f"X-Some: {PIECE}\r\n", TOO_MANY)]
    for answer in exchange(one_header, many_headers, a_line):
        assert answer.startswith("HTTP/1.1 400 ")
        assert str(LONGEST) in answer
    assert "HTTP/1.1 200 " not in exchange(trailers)[0]


def test_what_is_complete_is_counted_anew() -> None:
    many_chunks: Parts = [
        (f"{HEAD}Transfer-Encoding: chunked\r\n\r\n", 1),
        (f"3e8\r\n{PIECE}\r\n", 500),
        ("0\r\n\r\n", 1),
    ]
    one_body: Parts = [(f"{HEAD}Content-Length: 500000\r\n\r\n", 1), (PIECE, 500)]
    for answer in exchange(many_chunks, one_body):
        assert answer.startswith("HTTP/1.1 200 ")


def test_a_trailer_is_no_header() -> None:
    answer = exchange([(f"{CHUNKED}X-Forwarded-User: admin\r\n\r\n", 1)])[0]
    assert names(answer) == ["host", "connection", "transfer-encoding"]


@pytest.mark.parametrize(
    "head",
    [
        f"{HEAD}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        f"{HEAD}Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        f"{HEAD}Content-Length: +5\r\n\r\nhello",
        f"{HEAD}Transfer-Encoding: x, chunked, y\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        f"{HEAD}X Y: z\r\n\r\n",
    ],
)
def test_a_length_that_a_proxy_may_read_otherwise_is_refused(head: str) -> None:
    assert exchange([(head, 1)])[0].startswith("HTTP/1.1 400 ")


def names(answer: str) -> Any:
    return json.loads(answer.partition("\r\n\r\n")[2])
