"""An MCP server with tools of the test's own."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import uvicorn
from mcp.server.fastmcp import FastMCP

from tests.support.process import LOOPBACK, free_port


@dataclass
class McpServer:
    """The server's address, and the calls that it got."""

    url: str
    calls: list[tuple[str, str]] = field(default_factory=list)
    """Tool and query, the oldest first."""


@contextlib.contextmanager
def serve(*tools: str) -> Iterator[McpServer]:
    """Offer tools of these names, which take a `query` and say it back, until the block ends."""
    port = free_port()
    server = McpServer(f"http://{LOOPBACK}:{port}/mcp")
    mcp = FastMCP("tests")
    for name in tools:
        mcp.add_tool(_tool(server, name), name=name, description=f"{name} of a test")
    uvicorn_server = uvicorn.Server(
        uvicorn.Config(mcp.streamable_http_app(), host=LOOPBACK, port=port, log_level="error")
    )
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
