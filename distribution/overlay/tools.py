"""Which tool group a tool's name means: what each user sees, and never another group than before.

Upstream keeps one index of tools for the process. Here users have one each beside what was indexed at the start, which
comes first; and a name that means a group's tool goes on to mean it for as long as there is the group.
"""

from collections import ChainMap
from collections.abc import Awaitable, Callable
from typing import Any

from distribution.overlay.declaration import change

TABLE = "llama_stack.core.routing_tables.toolgroups:ToolGroupsRoutingTable"
MOST_USERS = 1000
"""How many users' indexes are kept; that of the user who was new the longest ago goes first, and is made again."""

HIJACK = (
    "The last group whose tools were listed has their names: whoever registers an MCP server with a `web_search` or "
    "`knowledge_search` gets everybody's calls."
)
AsyncFunction = Callable[..., Awaitable[Any]]


class _View(ChainMap[str, Any]):
    """What all have, then what is the user's own; what is written is the user's own."""

    def __setitem__(self, key: str, value: Any) -> None:
        self.maps[-1][key] = value


class OfEachUser:
    """An attribute of the routing table: a dictionary for all, another for each user beside it."""

    def __init__(self, name: str) -> None:
        self.name = f"{name} of users"

    def __get__(self, table: Any, owner: type | None = None) -> Any:
        if table is None:
            return self
        from llama_stack.core.request_headers import get_authenticated_user

        indexes: dict[str | None, dict[str, Any]] = table.__dict__.setdefault(self.name, {None: {}})
        user = get_authenticated_user()
        if user is None:
            return indexes[None]
        if user.principal not in indexes and len(indexes) > MOST_USERS:
            del indexes[next(principal for principal in indexes if principal is not None)]
        return _View(indexes[None], indexes.setdefault(user.principal, {}))

    def forget(self, table: Any, unwanted: Callable[[str, Any], bool]) -> None:
        """Drop entries from the dictionaries of all."""
        for index in table.__dict__.get(self.name, {}).values():
            for key in [key for key, value in index.items() if unwanted(key, value)]:
                del index[key]


TOOLS = OfEachUser("toolgroups_to_tools")
NAMES = OfEachUser("tool_to_toolgroup")


@change(
    f"{TABLE}.toolgroups_to_tools",
    why="Tools that were listed with one user's credentials are shown to all.",
    advisory="tools-in-common",
)
def tools_of_each_user(_original: Any) -> OfEachUser:
    return TOOLS


@change(f"{TABLE}.tool_to_toolgroup", why=HIJACK, advisory="tool-hijack")
def names_of_each_user(_original: Any) -> OfEachUser:
    return NAMES


@change(f"{TABLE}._index_tools", takes=("self", "toolgroup"), why=HIJACK, advisory="tool-hijack")
def index_tools(original: AsyncFunction) -> AsyncFunction:
    async def _index_tools(self: Any, toolgroup: Any) -> None:
        before = dict(self.tool_to_toolgroup)
        await original(self, toolgroup)
        for name, group in before.items():
            if group != toolgroup.identifier and await self.dist_registry.get("tool_group", group):
                self.tool_to_toolgroup[name] = group

    return _index_tools


@change(
    f"{TABLE}.unregister_toolgroup",
    takes=("self", "toolgroup_id"),
    why="The tools of a group that is gone keep their names.",
    advisory="tool-hijack",
)
def unregister_toolgroup(original: AsyncFunction) -> AsyncFunction:
    async def unregister_toolgroup(self: Any, toolgroup_id: str) -> None:
        await original(self, toolgroup_id)
        TOOLS.forget(self, lambda group, _tools: group == toolgroup_id)
        NAMES.forget(self, lambda _name, group: group == toolgroup_id)

    return unregister_toolgroup
