"""Tools by their names: a user's tool group never answers for the tool of another."""

from collections import ChainMap
from typing import Any

from distribution.overlay.declaration import change

TABLE = "llama_stack.core.routing_tables.toolgroups:ToolGroupsRoutingTable"
MOST_USERS = 1000
"""Users whose tools are kept; those of the one who was new the longest ago go first, and are listed again."""
ONE_NAME = (
    "Tools are found by their name alone, and the group that was listed last has it: whoever registers an MCP server "
    "that has a `knowledge_search` gets everybody's calls of it, with what is in them."
)


@change(
    f"{TABLE}.get_provider_impl",
    takes=("self", "routing_key", "provider_id"),
    why=ONE_NAME,
    advisory="tools-taken-over",
)
def get_provider_impl(original: Any) -> Any:
    from llama_stack.core.routing_tables.common import CommonRoutingTableImpl

    async def get_provider_impl(self: Any, routing_key: str, provider_id: str | None = None) -> Any:
        group = await _group_of(self, routing_key)
        return await CommonRoutingTableImpl.get_provider_impl(self, group or routing_key, provider_id)

    return get_provider_impl


@change(f"{TABLE}.get_tool", takes=("self", "tool_name"), why=ONE_NAME, advisory="tools-taken-over")
def get_tool(original: Any) -> Any:
    async def get_tool(self: Any, tool_name: str) -> Any:
        group = await _group_of(self, tool_name)
        for tool in self.toolgroups_to_tools.get(group, []):
            if tool.name == tool_name:
                return tool
        raise ValueError(f"Tool '{tool_name}' not found")

    return get_tool


class _OfAllAndOwn(ChainMap[str, Any]):
    """What was listed at the start, for all, and what the user's requests have listed. New is the user's own."""

    def __setitem__(self, key: str, value: Any) -> None:
        self.maps[-1][key] = value


class OfEachUser:
    """The routing table's tools by tool group, as the user of the current request has listed them."""

    def __get__(self, table: Any, owner: type | None = None) -> Any:
        if table is None:
            return self
        from llama_stack.core.request_headers import get_authenticated_user

        listed = self._listed(table)
        user = get_authenticated_user()
        if user is None:
            return listed[None]
        if user.principal not in listed and len(listed) > MOST_USERS:
            del listed[next(principal for principal in listed if principal is not None)]
        return _OfAllAndOwn(listed[None], listed.setdefault(user.principal, {}))

    def forget(self, table: Any, group: str) -> None:
        """Drop the tools of a group, whoever has listed them."""
        for tools in self._listed(table).values():
            tools.pop(group, None)

    @staticmethod
    def _listed(table: Any) -> dict[str | None, dict[str, Any]]:
        listed: dict[str | None, dict[str, Any]] = table.__dict__.setdefault("tools of users", {None: {}})
        return listed


TOOLS = OfEachUser()


@change(
    f"{TABLE}.toolgroups_to_tools",
    why="Tools that were listed with one user's credentials are shown to all, and are what their calls go to.",
    advisory="tools-in-common",
)
def tools_of_each_user(_original: Any) -> OfEachUser:
    return TOOLS


@change(
    f"{TABLE}.unregister_toolgroup",
    takes=("self", "toolgroup_id"),
    why="The tools of a group that is gone stay in memory: who takes its name next lists and calls them.",
    advisory="tools-taken-over",
)
def unregister_toolgroup(unregister: Any) -> Any:
    async def unregister_toolgroup(self: Any, toolgroup_id: str) -> None:
        await unregister(self, toolgroup_id)
        TOOLS.forget(self, toolgroup_id)

    return unregister_toolgroup


async def _group_of(self: Any, name: str) -> str | None:
    """Return the group that has a tool: one that is named before it, the operator's, or one that the user may use."""
    group, slash, tool_name = name.partition("/")
    if slash and "/" not in tool_name:
        return group
    groups = await self.get_all_with_type("tool_group")
    for one in sorted(groups, key=lambda one: one.owner is not None):
        if any(tool.name == name for tool in self.toolgroups_to_tools.get(one.identifier, [])):
            identifier: str = one.identifier
            return identifier
    return None
