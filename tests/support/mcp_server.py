"""An MCP server with tools of the test's own."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from mcp.server.fastmcp import FastMCP

from tests.support.process import LOOPBACK, free_port


@dataclass
class McpServer:
    """The server's address, and what it got."""

    url: str
    calls: list[tuple[str, str]] = field(default_factory=list)
    """Tool and query, the oldest first."""
    headers: list[dict[str, str]] = field(default_factory=list)
    """Of all requests, the oldest first, names in lower case."""


@contextlib.contextmanager
def serve(*tools: str) -> Iterator[McpServer]:
    """Offer tools of these names, which take a `query` and say it back, until the block ends."""
    port = free_port()
    server = McpServer(f"http://{LOOPBACK}:{port}/mcp")
    mcp = FastMCP("tests", host=LOOPBACK)
    for name in tools:
        mcp.add_tool(_tool(server, name), name=name, description=f"{name} of a test")
    app = mcp.streamable_http_app()

    async def noting(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            server.headers.append({name.decode(): value.decode() for name, value in scope["headers"]})
        await app(scope, receive, send)

    uvicorn_server = uvicorn.Server(uvicorn.Config(noting, host=LOOPBACK, port=port, log_level="error", lifespan="on"))
    thread = threading.Thread(target=uvicorn_server.run)
    thread.start()
    try:
        yield server
    finally:
        uvicorn_server.should_exit = True
        thread.join()


def _tool(server: McpServer, name: str) -> Callable[[str], str]:
    def tool(query: str) -> str:
        server.calls.append((name, query))
        return f"{name} heard {query}"

    return tool
