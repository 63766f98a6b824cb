"""Nobody passes without a token: whatever the path, the method and the headers look like."""

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from llama_stack.core.datatypes import AuthenticationConfig, User
from starlette.types import Message, Receive, Scope, Send

from providers.authentication.config import StaticTokenAuthConfig
from providers.authentication.middleware import Authentication, RoutePolicy
from providers.authentication.route_policy import RouteAccessRule, in_force

TOKEN = "3vN9oYwJ4l2kP0sZ"
BEARER = (b"authorization", f"Bearer {TOKEN}".encode())


class Behind:
    """The application: notes the scopes that get through."""

    def __init__(self) -> None:
        self.scopes: list[Scope] = []
        self.policies: list[Any] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scopes.append(scope)
        self.policies.append(in_force.get())


@pytest.fixture
def behind() -> Behind:
    return Behind()


@pytest.fixture
def authentication(behind: Behind, tmp_path: Path) -> Authentication:
    file = tmp_path / "tokens"
    file.write_text(f"{TOKEN},alice\n")
    return Authentication(behind, AuthenticationConfig(provider_config=StaticTokenAuthConfig(file=file)), {})  # type: ignore[arg-type]


def sent(application: Any, path: str = "/v1/models", *headers: tuple[bytes, bytes], **scope: Any) -> list[Message]:
    """Send one request and return the messages of the answer."""
    messages: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b""}

    async def send(message: Message) -> None:
        messages.append(message)

    whole = {"type": "http", "method": "GET", "path": path, "headers": list(headers), "client": ("10.0.0.1", 5)} | scope
    asyncio.run(application(whole, receive, send))
    return messages


@pytest.mark.parametrize(
    "authorization",
    [
        b"",
        b"Bearer",
        b"Bearer ",
        b"Bearer  \t ",
        b"Bearer wrong-wrong-wrong",
        b"Basic " + TOKEN.encode(),
        TOKEN.encode(),
        b"Bearer" + TOKEN.encode(),
        b"Bearer " + TOKEN.encode() + b" " + TOKEN.encode(),
        b"Bearer " + TOKEN.encode() + b",",
        b"Bearer " + TOKEN[:-1].encode(),
        b"Bearer \xff\xfe",
        b"\xff\xfe",
        b"Bearer " + TOKEN.encode() + b"\n",
        b"Bearer " + b"x" * 60_000,
    ],
    ids=range(15),
)
def test_a_wrong_token_gets_nobody_in(authentication: Authentication, behind: Behind, authorization: bytes) -> None:
    start, body = sent(authentication, "/v1/models", (b"authorization", authorization))
    assert start["status"] == 401
    assert (b"www-authenticate", b"Bearer") in start["headers"]
    assert b'"code":"invalid_api_key"' in body["body"]
    assert not behind.scopes


@pytest.mark.parametrize("authorization", [BEARER[1], b"bearer " + TOKEN.encode(), b"BEARER   " + TOKEN.encode()])
def test_who_has_a_token_gets_in_and_is_known(
    authentication: Authentication, behind: Behind, authorization: bytes
) -> None:
    sent(authentication, "/v1/models", (b"authorization", authorization))
    (scope,) = behind.scopes
    assert (scope["principal"], scope["user_attributes"]) == ("alice", {"roles": ["alice"]})
    assert scope["authenticated_client_id"] == "user:alice"


def test_two_tokens_are_none(authentication: Authentication, behind: Behind) -> None:
    assert sent(authentication, "/v1/models", BEARER, BEARER)[0]["status"] == 401
    assert not behind.scopes


PATHS = ["/v1/models", "//v1/models", "/v1/models/", "/", "", "/docs", "/openapi.json", "/redoc", "/v1/health/",
         "/v1/health\n", "/v1/health/../models", "//v1/health", "/V1/health", "/v1/version;x", "/v1/healthz",
         "/api/v1/health", "*"]  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "method", ["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE", "CONNECT", "get"]
)
def test_no_path_gets_past(authentication: Authentication, behind: Behind, path: str, method: str) -> None:
    assert sent(authentication, path, method=method)[0]["status"] == 401
    assert not behind.scopes


@pytest.mark.parametrize("path", ["/v1/health", "/v1/version"])
def test_what_is_open_is_open_to_get_alone(authentication: Authentication, behind: Behind, path: str) -> None:
    sent(authentication, path)
    assert behind.scopes
    assert "principal" not in behind.scopes[0]
    for method in ("HEAD", "POST", "DELETE"):
        assert sent(authentication, path, method=method)[0]["status"] == 401


def test_a_root_path_is_no_part_of_a_path(authentication: Authentication, behind: Behind) -> None:
    sent(authentication, "/api/v1/health", root_path="/api")
    assert len(behind.scopes) == 1
    assert sent(authentication, "/api/v1/models", root_path="/api")[0]["status"] == 401


def test_a_websocket_is_closed(authentication: Authentication, behind: Behind) -> None:
    assert sent(authentication, "/v1/health", type="websocket")[0]["type"] == "websocket.close"
    assert not behind.scopes
    sent(authentication, "/v1/realtime", BEARER, type="websocket")
    assert behind.scopes[0]["principal"] == "alice"


@contextmanager
def logged(caplog: pytest.LogCaptureFixture) -> Iterator[list[logging.LogRecord]]:
    with caplog.at_level(logging.INFO, "providers.authentication"):
        yield caplog.records


def test_the_log_has_one_line_without_the_token(
    authentication: Authentication, caplog: pytest.LogCaptureFixture
) -> None:
    wrong = b"Bearer not-to-be-logged-at-all"
    with logged(caplog) as records:
        sent(authentication, "/v1/models\n[red]forged: line", (b"authorization", wrong), method="POST")
    (record,) = [one for one in records if "was not let in" in one.getMessage()]
    assert record.getMessage() == (
        r"POST '/v1/models\n\x5bred]forged: line' from 10.0.0.1 was not let in: it is not in the file of tokens"
    )
    assert record.exc_info is None
    assert "not-to-be-logged" not in caplog.text


@pytest.mark.parametrize("error", [RuntimeError("token s3cr3t"), KeyError("sub")])
def test_what_nobody_has_thought_of_lets_nobody_in(
    authentication: Authentication, behind: Behind, error: Exception
) -> None:
    class Broken:
        async def validate_token(self, token: str, scope: Any) -> User:
            raise error

    authentication._provider = Broken()
    start, body = sent(authentication, "/v1/models", BEARER)
    assert start["status"] == 503
    assert b"s3cr3t" not in body["body"]
    assert not behind.scopes


def test_a_user_without_a_name_gets_not_in(authentication: Authentication, behind: Behind) -> None:
    class Nameless:
        async def validate_token(self, token: str, scope: Any) -> User:
            return User("", {})

    authentication._provider = Nameless()
    assert sent(authentication, "/v1/models", BEARER)[0]["status"] == 401
    assert not behind.scopes


def test_a_file_that_is_gone_is_no_wrong_token(authentication: Authentication, behind: Behind, tmp_path: Path) -> None:
    (tmp_path / "tokens").unlink()
    start, body = sent(authentication, "/v1/models", BEARER)
    assert start["status"] == 503
    assert str(tmp_path).encode() not in body["body"]
    assert not behind.scopes


def test_a_route_that_is_off_answers_403(behind: Behind) -> None:
    policy = [RouteAccessRule.model_validate({"permit": {"paths": "/v1/models*"}})]
    application = RoutePolicy(behind, policy)
    start, body = sent(application, "/v1/files")
    assert start["status"] == 403
    assert b'"type":"permission_error"' in body["body"]
    assert sent(application, "/v1/files", type="websocket")[0]["type"] == "websocket.close"
    assert not behind.scopes
    sent(application, "/v1/models/one")
    assert len(behind.scopes) == 1
    assert behind.policies == [policy]
    assert in_force.get() == ()
