"""Which tool group a tool's name means, for whom."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from llama_stack.apis.datatypes import Api
from llama_stack.apis.tools import ListToolDefsResponse, ToolDef
from llama_stack.core.datatypes import User
from llama_stack.core.request_headers import request_provider_data_context
from llama_stack.core.routing_tables.toolgroups import ToolGroupsRoutingTable
from llama_stack.core.store.registry import CachedDiskDistributionRegistry
from llama_stack.providers.utils.kvstore.kvstore import InmemoryKVStoreImpl

OFFERED = {"builtin::websearch": "web_search", "mallorys": "web_search", "alices": "calculate"}


class Provider:
    """A tool provider whose groups have a tool each."""

    __provider_spec__ = SimpleNamespace(api=Api.tool_runtime)

    async def list_runtime_tools(self, group: str, _endpoint: object = None) -> ListToolDefsResponse:
        return ListToolDefsResponse(data=[ToolDef(name=OFFERED[group], description=f"of {group}")])

    async def register_toolgroup(self, group: Any) -> None: ...

    async def unregister_toolgroup(self, group_id: str) -> None: ...


@pytest.fixture
def table() -> Any:
    """A routing table with a tool group of the operator's."""
    registry = CachedDiskDistributionRegistry(InmemoryKVStoreImpl())  # type: ignore[no-untyped-call]
    providers: Any = {"tools": Provider()}
    table = ToolGroupsRoutingTable(providers, registry, [])
    asyncio.run(table.register_tool_group("builtin::websearch", "tools"))
    return table


@contextmanager
def request_of(user: str) -> Iterator[None]:
    """What the block does is done for a user."""
    context: Any = request_provider_data_context
    with context({}, User(principal=user, attributes={"teams": ["one"]})):
        yield


async def _group_of(table: Any, tool: str) -> str:
    return str((await table.get_tool(tool)).toolgroup_id)


def test_a_name_means_the_group_that_had_it_first(table: Any) -> None:
    async def use() -> None:
        with request_of("mallory"):
            await table.register_tool_group("mallorys", "tools")
            await table.list_tools("mallorys")
            assert await _group_of(table, "web_search") == "builtin::websearch"
        with request_of("alice"):
            assert await _group_of(table, "web_search") == "builtin::websearch"

    asyncio.run(use())


def test_a_name_means_the_group_that_had_it_first_for_those_without_a_name_too(table: Any) -> None:
    async def use() -> None:
        await table.register_tool_group("mallorys", "tools")
        assert await _group_of(table, "web_search") == "builtin::websearch"
        await table.unregister_toolgroup("builtin::websearch")
        await table.unregister_toolgroup("mallorys")
        await table.register_tool_group("mallorys", "tools")
        assert await _group_of(table, "web_search") == "mallorys"

    asyncio.run(use())


def test_what_one_user_listed_is_no_others(table: Any) -> None:
    async def use() -> None:
        with request_of("alice"):
            await table.register_tool_group("alices", "tools")
            assert await _group_of(table, "calculate") == "alices"
        with request_of("bob"), pytest.raises(ValueError, match="not found"):
            await table.get_tool("calculate")

    asyncio.run(use())
