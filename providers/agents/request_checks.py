"""What a request for a response may not ask for: refused before it is begun, where upstream answers 500."""

from typing import Any

from llama_stack.apis.agents.openai_responses import AllowedToolsFilter

NEEDED_BY_FORMAT = {"text": (), "json_object": (), "json_schema": ("name", "schema")}
"""What `text.format` needs beside each `type`."""


def checked(options: dict[str, Any]) -> dict[str, Any]:
    """Return the options of a request with MCP tools as upstream reads them; raises ValueError for what will not do."""
    _check_format(options.get("text"))
    return {**options, "tools": [_with_list_of_names(tool) for tool in options.get("tools") or []] or None}


def require_messages(messages: list[Any]) -> None:
    """Raise ValueError where there is nothing that a model could be told."""
    if not messages:
        raise ValueError("input is empty: there is nothing that a model could answer")


def _check_format(text: Any) -> None:
    wanted = (text and text.format) or {"type": "text"}
    kind = wanted.get("type")
    if kind not in NEEDED_BY_FORMAT:
        raise ValueError(f"text.format.type is missing: it is one of {', '.join(NEEDED_BY_FORMAT)}")
    if missing := [name for name in NEEDED_BY_FORMAT[kind] if wanted.get(name) is None]:
        raise ValueError(f"text.format lacks {' and '.join(missing)}, which {kind} needs")


def _with_list_of_names(tool: Any) -> Any:
    """Upstream takes the names of the tools of an MCP server from a list alone."""
    allowed = getattr(tool, "allowed_tools", None)
    if not isinstance(allowed, AllowedToolsFilter):
        return tool
    return tool.model_copy(update={"allowed_tools": allowed.tool_names})
