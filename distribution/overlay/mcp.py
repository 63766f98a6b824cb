"""MCP servers: where requests may lead, and whose credentials go there."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from contextvars import ContextVar
from functools import partial
from typing import Any

from distribution.overlay.declaration import change
from distribution.overlay.outgoing import SLUG, TOOL_GROUP, is_operators_own

AsyncFunction = Callable[..., Awaitable[Any]]

CLIENTS = "llama_stack.providers.utils.tools.mcp"
PROVIDER = (
    "llama_stack.providers.remote.tool_runtime.model_context_protocol.model_context_protocol"
    ":ModelContextProtocolToolRuntimeImpl"
)
ANY_SERVER = (
    "The server talks to whatever MCP server a request names, in a tool of a response or in a tool group: also to the "
    "metadata service of the cloud and to what listens on the loopback."
)
MCP_AUTHORIZATION = "mcp-authorization"

HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
HEADER_VALUE = re.compile(r"(?:[!-~](?:[ -~\t]*[!-~])?)?")

_operators_endpoint: ContextVar[str | None] = ContextVar("operators_endpoint", default=None)


@change(f"{CLIENTS}:client_wrapper", takes=("endpoint", "headers"), why=ANY_SERVER, advisory=SLUG)
def client_wrapper(connect: Callable[..., AbstractAsyncContextManager[Any]]) -> Any:
    from providers.outgoing import Purpose, URLNotAllowed, check

    @asynccontextmanager
    async def checked(endpoint: str, headers: dict[str, str]) -> AsyncIterator[Any]:
        if endpoint != _operators_endpoint.get():
            await check(endpoint, Purpose.TOOL)
        try:
            async with connect(endpoint, headers) as session:
                yield session
        except BaseExceptionGroup as group:
            # A name may resolve to something else when it comes to connecting.
            refused = group.subgroup(URLNotAllowed)
            if refused is None:
                raise
            raise _first(refused) from None

    return checked


def _first(group: BaseExceptionGroup[Any]) -> BaseException:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _through_the_gate(client: Callable[..., Any]) -> Callable[..., Any]:
    from providers.outgoing import tool_client

    def connect(endpoint: str, headers: dict[str, str]) -> Any:
        own = endpoint == _operators_endpoint.get()
        return client(endpoint, headers=headers) if own else gated(endpoint, headers=headers)

    gated = partial(client, httpx_client_factory=tool_client)
    return connect


for client in ("streamablehttp_client", "sse_client"):
    change(f"{CLIENTS}:{client}", why=ANY_SERVER, advisory=SLUG)(_through_the_gate)


@change(
    f"{PROVIDER}.list_runtime_tools", takes=("self", "tool_group_id", "mcp_endpoint"), why=ANY_SERVER, advisory=SLUG
)
def list_runtime_tools(list_tools: AsyncFunction) -> AsyncFunction:
    async def list_runtime_tools(self: Any, tool_group_id: str | None = None, mcp_endpoint: Any = None) -> Any:
        uri = mcp_endpoint.uri if mcp_endpoint else ""
        return await _as_whose_it_is(tool_group_id, uri, list_tools(self, tool_group_id, mcp_endpoint))

    return list_runtime_tools


@change(f"{PROVIDER}.invoke_tool", takes=("self", "tool_name", "kwargs"), why=ANY_SERVER, advisory=SLUG)
def invoke_tool(invoke: AsyncFunction) -> AsyncFunction:
    async def invoke_tool(self: Any, tool_name: str, kwargs: dict[str, Any]) -> Any:
        tool = await self.tool_store.get_tool(tool_name)
        endpoint = (tool.metadata or {}).get("endpoint") or ""
        return await _as_whose_it_is(tool.toolgroup_id, endpoint, invoke(self, tool_name, kwargs))

    return invoke_tool


async def _as_whose_it_is(group: str | None, endpoint: str, work: Awaitable[Any]) -> Any:
    token = _operators_endpoint.set(endpoint if is_operators_own(TOOL_GROUP, group, endpoint) else None)
    try:
        return await work
    finally:
        _operators_endpoint.reset(token)


@change(
    "llama_stack.core.routing_tables.toolgroups:ToolGroupsRoutingTable.register_tool_group",
    takes=("self", "toolgroup_id", "provider_id", "mcp_endpoint", "args"),
    why=f"{ANY_SERVER} It is refused when the tool group is registered, and again when its tools are asked for.",
    advisory=SLUG,
)
def register_tool_group(register: AsyncFunction) -> AsyncFunction:
    from providers.outgoing import Purpose, check

    async def register_tool_group(
        self: Any, toolgroup_id: str, provider_id: str, mcp_endpoint: Any = None, args: Any = None
    ) -> None:
        if mcp_endpoint and not is_operators_own(TOOL_GROUP, toolgroup_id, mcp_endpoint.uri):
            await check(mcp_endpoint.uri, Purpose.TOOL)
        await register(self, toolgroup_id, provider_id, mcp_endpoint, args)

    return register_tool_group


def _can_be_sent(headers: dict[Any, Any], where: str) -> None:
    """Refuse what no HTTP client sends before one says so, with the value, in an answer and in the log."""
    for name, value in headers.items():
        if not (HEADER_NAME.fullmatch(str(name)) and isinstance(value, str) and HEADER_VALUE.fullmatch(value)):
            raise ValueError(f"{where}: a header cannot be sent, since its name or value has characters that none has")


@change(
    f"{PROVIDER}.get_headers_from_request",
    takes=("self", "mcp_endpoint_uri"),
    why="The headers that a request brings for `https://SERVER/PATH` (`mcp_headers` of the provider data) are sent to "
    "`http://SERVER/PATH` too: a token leaves in clear text.",
    advisory=MCP_AUTHORIZATION,
)
def get_headers_from_request(original: AsyncFunction) -> AsyncFunction:
    from providers.outgoing.gate import parsed

    def server(uri: str) -> tuple[str, str, int | None, str]:
        url = parsed(uri)
        return url.scheme, url.host, url.port, url.path

    async def get_headers_from_request(self: Any, mcp_endpoint_uri: str) -> dict[str, str]:
        provider_data = self.get_request_provider_data()
        given = (provider_data.mcp_headers if provider_data else None) or {}
        headers: dict[str, str] = {}
        for uri, values in given.items():
            if server(uri) == server(mcp_endpoint_uri):
                headers |= values
        _can_be_sent(headers, "mcp_headers")
        return headers

    return get_headers_from_request


@change(
    "llama_stack.apis.agents.openai_responses:OpenAIResponseInputToolMCP",
    why="`authorization` of an MCP tool, which OpenAI's clients send, is dropped without a word, so that clients put "
    "the token where it does not belong. Here it goes to the tool's server as a bearer token, and nowhere else: it is "
    "neither stored nor answered. `headers` may still hold an Authorization, as clients of this version send it.",
    reference="llamastack/llama-stack#4052, #4161",
    fixed_in="0.4.0",
    advisory=MCP_AUTHORIZATION,
)
def mcp_tool(model: Any) -> Any:
    from pydantic_core import core_schema

    def to_headers(tool: Any) -> Any:
        if not isinstance(tool, dict):
            return tool
        rest = {key: value for key, value in tool.items() if key != "authorization"}
        headers = rest.get("headers") or {}
        token = tool.get("authorization")
        if not isinstance(token, str | None) or not isinstance(headers, dict):
            raise ValueError("`authorization` of an MCP tool is a string, `headers` an object")
        if token is not None:
            if any(str(name).lower() == "authorization" for name in headers):
                raise ValueError("An MCP tool has its token in `authorization` or in `headers`, not in both")
            headers = headers | {"Authorization": f"Bearer {token}"}
        _can_be_sent(headers, "`authorization` or `headers` of an MCP tool")
        return rest | {"headers": headers or None}

    def schema(source: Any, handler: Any) -> Any:
        reference = handler(source)  # has to stay one, or else the OpenAPI document cannot name the model
        own = handler.resolve_ref_schema(reference)
        own["schema"] = core_schema.no_info_before_validator_function(to_headers, own["schema"])
        return reference

    model.__get_pydantic_core_schema__ = schema
    model.model_rebuild(force=True)
    return model
