"""Spans: what a collector of traces gets to know of the requests."""

import os
from collections.abc import Callable
from typing import Any

from distribution.overlay.declaration import change
from distribution.verification.masking import shown

TELEMETRY = "llama_stack.providers.inline.telemetry.meta_reference.telemetry:TelemetryAdapter"
CAPTURE_CONTENT = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
"""OpenTelemetry's own variable for this: `true` puts what is said to models, and what they say, into spans."""

# Texts that say what was done, and never what was in it. Numbers and booleans are no content either.
NAMES = frozenset(
    {
        *("__class__", "__method__", "__type__", "__location__", "raw_path", "traceparent", "tracestate"),
        *("agent_id", "agent_name", "session_id", "turn_id", "stop_reason", "tool_name", "tool_call_id"),
        *("server_label", "server_url", "mcp_list_tools_id", "model_id", "provider_id"),
    }
)


def captures_content() -> bool:
    """Tell whether spans may hold content."""
    return os.environ.get(CAPTURE_CONTENT, "").lower() in ("1", "true", "yes")


@change(
    f"{TELEMETRY}._log_structured",
    takes=("self", "event", "ttl_seconds"),
    why="Spans hold all arguments and results of each call: prompts, answers, files, the headers that a request has "
    "for an MCP server. Here they hold what was called and how it went. "
    f"`{CAPTURE_CONTENT}=true` adds the rest, without secrets.",
    reference="llamastack/llama-stack#4127",
    fixed_in="0.4.0",
    advisory="prompts-in-spans",
)
def log_structured(original: Callable[..., None]) -> Callable[..., None]:
    def log_structured(self: Any, event: Any, ttl_seconds: int) -> None:
        # A copy: the start and the end of a span come with the same attributes, and more are added in between.
        event = event.model_copy(update={"attributes": attributes_to_send(event.attributes or {})})
        original(self, event, ttl_seconds)

    return log_structured


@change(
    f"{TELEMETRY}._log_unstructured",
    takes=("self", "event", "ttl_seconds"),
    why="What is logged during a request is added to its span: errors quote the request, tool calls their arguments.",
    reference="llamastack/llama-stack#4127",
    fixed_in="0.4.0",
    advisory="prompts-in-spans",
)
def log_unstructured(original: Callable[..., None]) -> Callable[..., None]:
    def log_unstructured(self: Any, event: Any, ttl_seconds: int) -> None:
        if captures_content():
            original(self, event, ttl_seconds)

    return log_unstructured


def attributes_to_send(attributes: dict[str, Any]) -> dict[str, Any]:
    """Return the attributes that a span may have."""
    everything = captures_content()
    return {
        name: shown(value) for name, value in attributes.items() if everything or name in NAMES or not is_text(value)
    }


def is_text(value: Any) -> bool:
    """Tell whether a value may hold what somebody said."""
    return not isinstance(value, bool | int | float)
