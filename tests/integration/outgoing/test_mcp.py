"""llama-stack's MCP client through the gate: names that change, redirects, whose server it is."""

import asyncio
import importlib
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from providers.outgoing import VARIABLE, URLNotAllowed
from tests.support import http_server, loopback_site, mcp_server
from tests.support.loopback_site import Site
from tests.support.mcp_server import McpServer
from tests.support.process import LOOPBACK


@pytest.fixture(scope="module")
def mcp() -> Iterator[McpServer]:
    with mcp_server.serve("shout") as server:
        yield server


@pytest.fixture
def site() -> Iterator[Site]:
    with loopback_site.serve() as site:
        yield site


def names_of_tools(endpoint: str, headers: dict[str, str] | None = None) -> list[str]:
    client = importlib.import_module("llama_stack.providers.utils.tools.mcp")
    return [tool.name for tool in asyncio.run(client.list_mcp_tools(endpoint, headers or {})).data]


def test_a_server_that_is_allowed_is_asked(mcp: McpServer, monkeypatch: pytest.MonkeyPatch) -> None:
    before = len(mcp.headers)
    with pytest.raises(URLNotAllowed):
        names_of_tools(mcp.url)
    assert len(mcp.headers) == before
    monkeypatch.setenv(VARIABLE, "allow 127.0.0.1")
    assert names_of_tools(mcp.url) == ["shout"]


def test_a_name_that_changes_its_address_gets_nowhere(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = ["93.184.215.14"]

    def resolve(host: Any, port: Any, *_: Any, **__: Any) -> list[Any]:
        address = answers.pop() if answers else LOOPBACK
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    with pytest.raises(URLNotAllowed):
        names_of_tools(site.address.replace(LOOPBACK, "changing.example"))
    assert answers == []
    assert site.requests == []


@pytest.mark.parametrize("status", [302, 307, 308])
def test_a_redirect_to_another_server_gets_no_token(
    mcp: McpServer, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Redirect(http_server.Handler):
        def do_POST(self) -> None:
            self.send_response(status)
            self.send_header("Location", mcp.url)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_GET = do_POST

    monkeypatch.setenv(VARIABLE, "allow 127.0.0.1")
    before = len(mcp.headers)
    with http_server.serving(Redirect) as port, pytest.raises(BaseExceptionGroup):
        names_of_tools(f"http://{LOOPBACK}:{port}/mcp", {"Authorization": "Bearer secret", "X-Api-Key": "secret"})
    assert mcp.headers[before:] == []
