"""The line of a request, and its id."""

import asyncio
import json
import os
import re
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from distribution.logs.access import KEPT_WORDS, AccessLog, request_id_of
from distribution.logs.harmless import LONGEST_WORD
from distribution.logs.output import Output
from distribution.verification.masking import MASK, of_request
from providers.request_facts import RequestFacts, current

App = Callable[[Any, Any, Any], Awaitable[None]]
OK_ANSWER = {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]}
END = {"type": "http.response.body", "body": b"x"}


class Connection:
    """What uvicorn's `send` belongs to, as far as it is asked."""

    def __init__(self) -> None:
        self.disconnected = False
        self.sent: list[Any] = []

    async def send(self, message: Any) -> None:
        self.sent.append(message)


async def answer(scope: Any, receive: Any, send: Any) -> None:
    await send(dict(OK_ANSWER))
    await send(END)


@pytest.fixture
def ask(tmp_path: Path) -> Callable[..., tuple[str, Connection]]:
    """Serves one request and returns what has been logged of it."""

    def ask_app(
        app: App = answer, as_json: bool = False, with_probes: bool = False, headers: Any = (), **scope: Any
    ) -> tuple[str, Connection]:
        log = tmp_path / "log"
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        connection = Connection()
        whole = {"type": "http", "method": "GET", "path": "/v1/models", "client": ("127.0.0.1", 1), **scope}
        served = AccessLog(app, Output(descriptor), as_json=as_json, with_probes=with_probes)
        with suppress(LookupError):
            asyncio.run(served({**whole, "headers": list(headers)}, None, connection.send))  # type: ignore[arg-type]
        os.close(descriptor)
        return log.read_text(), connection

    return ask_app


def test_a_plain_line_says_who_asked_what_and_how_it_went(ask: Callable[..., tuple[str, Connection]]) -> None:
    line, _ = ask(headers=[(b"x-request-id", b"abc-1")])

    assert re.fullmatch(
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z INFO access: GET /v1/models 200 \d+\.\d ms "
        r"client=127\.0\.0\.1 id=abc-1\n",
        line,
    )


async def chat(scope: Any, receive: Any, send: Any) -> None:
    facts = current.get()
    assert facts
    facts.model, facts.input_tokens, facts.output_tokens = "vllm/a b", 12, 0
    scope["principal"] = "ann"
    await answer(scope, receive, send)


def test_the_line_has_what_was_filled_in(ask: Callable[..., tuple[str, Connection]]) -> None:
    plain, _ = ask(chat, headers=[(b"x-request-id", b"abc-1")])
    entry = json.loads(ask(chat, as_json=True, headers=[(b"x-request-id", b"abc-1")])[0])

    assert plain.endswith('client=127.0.0.1 id=abc-1 model="vllm/a b" in=12 out=0 user=ann\n')
    assert isinstance(entry.pop("ms"), float)
    assert entry.pop("time").endswith("Z")
    assert entry == {
        "level": "INFO",
        "category": "access",
        "logger": "access",
        "message": "GET /v1/models 200",
        "request_id": "abc-1",
        "client": "127.0.0.1",
        "method": "GET",
        "route": "/v1/models",
        "status": 200,
        "model": "vllm/a b",
        "input_tokens": 12,
        "output_tokens": 0,
        "user": "ann",
    }


@pytest.mark.parametrize("given", [b"a", b"A.b_c-9", b"x" * 128])
def test_an_id_that_can_be_used_is_kept(given: bytes) -> None:
    assert request_id_of(given) == given.decode()


@pytest.mark.parametrize("given", [b"", b"x" * 129, b"a b", b"a\n", b"a\nb", b"\xc3\xa4", b"a/b", b'"'])
def test_an_id_that_cannot_be_used_is_replaced(given: bytes) -> None:
    one, other = request_id_of(given), request_id_of(given)

    assert re.fullmatch("[0-9a-f]{24}", one)
    assert one != other


def test_the_answer_has_the_id_beside_its_own_headers(ask: Callable[..., tuple[str, Connection]]) -> None:
    line, connection = ask()

    start, end = connection.sent
    (header, value) = start["headers"][-1]
    assert header == b"x-request-id"
    assert f"id={value.decode()}\n" in line
    assert start["headers"][:-1] == OK_ANSWER["headers"]
    assert end == END


@pytest.mark.parametrize("path", ["/v1/health", "/v1/version"])
def test_probes_have_a_line_only_when_they_fail(path: str, ask: Callable[..., tuple[str, Connection]]) -> None:
    async def refuse(scope: Any, receive: Any, send: Any) -> None:
        await send({**OK_ANSWER, "status": 503})

    assert ask(path=path)[0] == ""
    assert f"GET {path} 503 " in ask(refuse, path=path)[0]
    assert f"GET {path} 200 " in ask(path=path, with_probes=True)[0]


def test_a_client_that_has_left_is_told_from_one_that_got_its_answer(
    ask: Callable[..., tuple[str, Connection]],
) -> None:
    async def leave_before(scope: Any, receive: Any, send: Any) -> None:
        connection_of(send).disconnected = True
        await answer(scope, receive, send)

    async def leave_meanwhile(scope: Any, receive: Any, send: Any) -> None:
        await send(dict(OK_ANSWER))
        connection_of(send).disconnected = True
        await send(END)

    async def leave_without_an_answer(scope: Any, receive: Any, send: Any) -> None:
        connection_of(send).disconnected = True

    assert " 499 " in ask(leave_before)[0]
    assert " 499 " in ask(leave_without_an_answer)[0]
    assert re.search(r" 200 .* client-left\n", ask(leave_meanwhile)[0])
    assert json.loads(ask(leave_meanwhile, as_json=True)[0])["client_left"] is True


def connection_of(send: Any) -> Connection:
    """The connection behind the middleware's own `send`."""
    (connection,) = [
        cell.cell_contents.__self__ for cell in send.__closure__ if hasattr(cell.cell_contents, "__self__")
    ]
    assert isinstance(connection, Connection)
    return connection


def test_what_fails_is_a_500(ask: Callable[..., tuple[str, Connection]]) -> None:
    async def fail(scope: Any, receive: Any, send: Any) -> None:
        raise LookupError

    assert " 500 " in ask(fail)[0]


def test_nothing_of_a_request_forges_a_line(ask: Callable[..., tuple[str, Connection]]) -> None:
    async def forge(scope: Any, receive: Any, send: Any) -> None:
        facts = current.get()
        assert facts
        facts.model = 'a\nb "c" \x1b[2J\u2028' + "x" * 1_000_000
        scope["principal"] = "ann\r\nuser=root"
        await answer(scope, receive, send)

    for as_json in (False, True):
        line, _ = ask(forge, as_json, path="/a b\n", raw_path="/a%0A\x9b b".encode("latin-1"), client=("::1\nroot", 1))
        assert line.count("\n") == 1
        assert line.endswith("\n")
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028]", line)
        assert len(line) < 3 * LONGEST_WORD
    assert "client=::1\\nroot id=" in ask(forge, client=("::1\nroot", 1))[0]


def test_a_secret_of_the_request_is_masked_in_its_line_and_in_no_other(
    ask: Callable[..., tuple[str, Connection]],
) -> None:
    async def bring_a_secret(scope: Any, receive: Any, send: Any) -> None:
        of_request.set(frozenset({"its-own-key"}))
        await answer(scope, receive, send)

    async def ask_for_the_same(scope: Any, receive: Any, send: Any) -> None:
        await answer(scope, receive, send)

    assert f"GET /v1/{MASK} 200" in ask(bring_a_secret, path="/v1/its-own-key")[0]
    assert "GET /v1/its-own-key 200" in ask(ask_for_the_same, path="/v1/its-own-key")[0]


def test_many_paths_are_not_kept(ask: Callable[..., tuple[str, Connection]]) -> None:
    from distribution.logs import access

    for number in range(KEPT_WORDS + 10):
        access._quoted(f"/{number}" + "x" * 10_000)

    assert access._kept_quoted.cache_info().currsize == KEPT_WORDS


def test_other_scopes_pass() -> None:
    seen: list[tuple[Any, RequestFacts | None]] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append((scope["type"], current.get()))

    asyncio.run(AccessLog(app, None)({"type": "lifespan"}, None, None))  # type: ignore[arg-type]

    assert seen == [("lifespan", None)]
