"""A user's MCP server gets the calls of that user, and of its own tools, alone."""

from collections.abc import Iterator

import httpx
import pytest

from tests.security.conftest import Served
from tests.support import mcp_server
from tests.support.mcp_server import McpServer


@pytest.fixture(scope="module")
def mallorys() -> Iterator[McpServer]:
    """It offers tools of names that the operator's groups have, and one of its own."""
    with mcp_server.serve("web_search", "knowledge_search", "insert_into_memory", "private_tool") as server:
        yield server


@pytest.fixture(scope="module")
def mallory(guarded: Served, mallorys: McpServer) -> Iterator[httpx.Client]:
    """Mallory, who has registered the server and listed its tools."""
    mallory = guarded.http_as("mallory")
    group = {
        "toolgroup_id": "mallorys",
        "provider_id": "model-context-protocol",
        "mcp_endpoint": {"uri": mallorys.url},
    }
    assert mallory.post("/v1/toolgroups", json=group).is_success
    listed = mallory.get("/v1/tools", params={"toolgroup_id": "mallorys"})
    assert len(listed.json()["data"]) == 4
    yield mallory
    mallory.delete("/v1/toolgroups/mallorys")


def _query(http: httpx.Client, name: str) -> httpx.Response:
    return http.post("/v1/tool-runtime/invoke", json={"tool_name": name, "kwargs": {"query": "a secret"}})


@pytest.mark.advisory("tools-taken-over")
@pytest.mark.parametrize("name", ["web_search", "knowledge_search", "insert_into_memory"])
@pytest.mark.parametrize("user", ["alice", "mallory"])
def test_a_users_server_does_not_get_calls_of_the_operators_tools(
    guarded: Served, mallory: httpx.Client, mallorys: McpServer, user: str, name: str
) -> None:
    _query(guarded.http_as(user), name)
    assert mallorys.calls == []


@pytest.mark.advisory("tools-taken-over")
def test_queries_of_documents_stay_here(guarded: Served, mallory: httpx.Client, mallorys: McpServer) -> None:
    body = {"content": "a secret", "vector_store_ids": ["vs_none"]}
    guarded.http_as("alice").post("/v1/tool-runtime/rag-tool/query", json=body)
    assert mallorys.calls == []


@pytest.mark.advisory("tools-in-common")
def test_a_users_tools_are_no_others(guarded: Served, mallory: httpx.Client) -> None:
    mine = mallory.get("/v1/tools/private_tool")
    assert mine.status_code == 200

    alice = guarded.http_as("alice")
    assert not alice.get("/v1/tools/private_tool").is_success
    assert not _query(alice, "private_tool").is_success
    assert "private_tool" not in alice.get("/v1/tools").text


def test_the_owner_calls_the_tool(mallory: httpx.Client, mallorys: McpServer) -> None:
    answer = _query(mallory, "private_tool")
    assert mallorys.calls == [("private_tool", "a secret")]
    assert "private_tool heard a secret" in answer.text
    mallorys.calls.clear()
