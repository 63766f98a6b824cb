"""Spans: what a collector of traces gets to know of the requests, and how it gets there.

Upstream describes the start and the end of each span in objects, for a thread that makes OpenTelemetry's span of them.
Here a span is OpenTelemetry's from its start, and the SDK's own thread sends it when it has ended.
"""

import logging
import os
import random
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from distribution.overlay.declaration import change
from distribution.verification.masking import of_request, shown, without_known_secrets

TRACING = "llama_stack.providers.utils.telemetry.tracing"
CAPTURE_CONTENT = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
"""OpenTelemetry's own variable for this: `true` puts what is said to models, and what they say, into spans."""

OF_THE_CODE = frozenset({"__class__", "__method__", "__type__", "__location__"})
"""Texts that are names in llama-stack's code."""
# Texts that say what was done, and never what was in it. Numbers and booleans are no content either.
NAMES = OF_THE_CODE | {
    *("raw_path", "agent_id", "agent_name", "session_id", "turn_id", "stop_reason", "tool_name", "tool_call_id"),
    *("server_label", "server_url", "mcp_list_tools_id", "model_id", "provider_id"),
}
PARENT = ("traceparent", "tracestate")
"""Upstream puts these headers into the attributes of a request's first span."""
ROOT = frozenset({"__root__", "__root_span__"})
"""Attributes of the first span of a trace, which is elsewhere where a request names its parent."""
SHORT = 256
"""Characters of a text that is kept without its secrets, since others are going to be the same."""
KEPT = {"__ttl__": 604800}
"""Seconds; upstream says it in each span."""
SCOPE = "llama_stack.providers.inline.telemetry.meta_reference.telemetry"
"""Where upstream makes spans: collectors know them by it."""
CHEAP = (
    "Each span is described in objects of pydantic twice and made in a thread beside, which costs four times the "
    "request itself. The id that an answer has as `x-trace-id` is none that the collector has."
)
CONTENT = (
    "Spans hold all arguments and results of each call: prompts, answers, files, the headers that a request has for an "
    "MCP server. Here they hold what was called and how it went. "
    f"`{CAPTURE_CONTENT}=true` adds the rest, without secrets."
)


def captures_content() -> bool:
    """Tell whether spans may hold content."""
    return os.environ.get(CAPTURE_CONTENT, "").lower() in ("1", "true", "yes")


class LiveSpan:
    """A span under way: what upstream's code asks of its own, and OpenTelemetry's."""

    __slots__ = ("attributes", "name", "of_otel")

    def __init__(self, name: str, of_otel: Any) -> None:
        self.name, self.of_otel = name, of_otel
        self.attributes: dict[str, Any] = {}
        """What was added since the span was started."""

    @property
    def span_id(self) -> str:
        """The id as 16 hexadecimal digits, zeros where nobody collects spans."""
        return format(self.of_otel.get_span_context().span_id, "016x")

    @property
    def trace_id(self) -> str:
        """The id of the trace as 32 hexadecimal digits, zeros where nobody collects spans."""
        return format(self.of_otel.get_span_context().trace_id, "032x")

    def set_attribute(self, key: str, value: Any) -> None:
        """Add what is sent with the span if it may be."""
        self.attributes[key] = value


@change(
    f"{TRACING}:TraceContext.push_span",
    takes=("self", "name", "attributes"),
    why=CONTENT,
    reference="llamastack/llama-stack#4127",
    fixed_in="0.4.0",
    advisory="prompts-in-spans",
)
def push_span(original: Any) -> Any:
    from opentelemetry.context import Context
    from opentelemetry.trace import get_tracer_provider, set_span_in_context
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    no_parent, propagator = Context(), TraceContextTextMapPropagator()
    tracer_of = lru_cache(maxsize=1)(lambda provider: provider.get_tracer(SCOPE))

    def push_span(self: Any, name: str, attributes: Mapping[str, Any] | None = None) -> LiveSpan:
        attributes = attributes or {}
        if self.spans:
            parent = set_span_in_context(self.spans[-1].of_otel, no_parent)
        elif "traceparent" in attributes:
            parent = propagator.extract({header: attributes[header] for header in PARENT if header in attributes})
            attributes = {name: value for name, value in attributes.items() if name not in ROOT}
        else:
            parent = no_parent
        tracer = tracer_of(get_tracer_provider())
        span = LiveSpan(name, tracer.start_span(name, parent, attributes=attributes_to_send(attributes) | KEPT))
        if not self.spans and span.of_otel.get_span_context().is_valid:
            self.trace_id = span.trace_id
        self.spans.append(span)
        return span

    return push_span


@change(f"{TRACING}:TraceContext.pop_span", takes=("self", "status"), why=CHEAP)
def pop_span(original: Any) -> Any:
    from llama_stack.apis.telemetry import SpanStatus
    from opentelemetry.trace import Status, StatusCode

    status_of = {SpanStatus.OK: Status(StatusCode.OK), SpanStatus.ERROR: Status(StatusCode.ERROR)}

    def pop_span(self: Any, status: SpanStatus = SpanStatus.OK) -> None:
        span = self.spans.pop()
        if span.of_otel.is_recording():
            if span.attributes:
                span.of_otel.set_attributes(attributes_to_send(span.attributes))
            span.of_otel.set_status(status_of[status])
            span.of_otel.end()

    return pop_span


@change(
    f"{TRACING}:generate_trace_id",
    takes=(),
    why="Ids come from the system's source of secrets, a call of the kernel for each, and are no secrets.",
)
def generate_trace_id(original: Callable[[], str]) -> Callable[[], str]:
    def generate_trace_id() -> str:
        return format(random.getrandbits(128), "032x")

    return generate_trace_id


@change(f"{TRACING}:enqueue_event", takes=("event",), why=CHEAP)
def enqueue_event(original: Callable[[Any], None]) -> Callable[[Any], None]:
    from llama_stack.apis.telemetry import MetricEvent
    from llama_stack.providers.utils.telemetry import tracing

    def enqueue_event(event: Any) -> None:
        # The thread that takes it counts what it says, and knows no spans.
        span: Any = tracing.get_current_span()
        if isinstance(event, MetricEvent) and span is not None:
            said = {"value": event.value, "unit": event.unit, **(event.attributes or {})}
            span.of_otel.add_event(f"metric.{event.metric}", said)
        original(event)

    return enqueue_event


@change(
    f"{TRACING}:TelemetryHandler.emit",
    takes=("self", "record"),
    why="What is logged during a request is added to its span: errors quote the request, tool calls their arguments.",
    reference="llamastack/llama-stack#4127",
    fixed_in="0.4.0",
    advisory="prompts-in-spans",
)
def emit(original: Callable[..., None]) -> Callable[..., None]:
    from llama_stack.providers.utils.telemetry import tracing

    def emit(self: logging.Handler, record: logging.LogRecord) -> None:
        span: Any = tracing.get_current_span()
        if span is not None and span.of_otel.is_recording() and captures_content():
            said = {"message": self.format(record), "severity": tracing.severity(record.levelname).value}
            span.of_otel.add_event("unstructured_log", said | KEPT)

    return emit


@change(
    "llama_stack.core.server.server:StackApp.__init__",
    takes=("self", "config", "args", "kwargs"),
    why="FastAPI, which measures requests itself by now, makes a second trace of each, apart from the first, with the "
    "query and what failed in it.",
)
def without_fastapis_telemetry(original: Callable[..., None]) -> Callable[..., None]:
    def initialize(self: Any, config: Any, *arguments: Any, **options: Any) -> None:
        original(
            self, config, *arguments, **{"telemetry": {"tracing": False, "logs": False, "metrics": False}, **options}
        )

    return initialize


def attributes_to_send(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the attributes that a span may have."""
    everything = captures_content()
    return {
        name: _to_send(name, value)
        for name, value in attributes.items()
        if everything or name in NAMES or not is_text(value)
    }


def _to_send(name: str, value: Any) -> Any:
    if name in OF_THE_CODE or not is_text(value):
        return value
    return (
        _shown_to_all(value)
        if isinstance(value, str) and len(value) <= SHORT and not of_request.get()
        else shown(value)
    )


@lru_cache(maxsize=4096)
def _shown_to_all(text: str) -> str:
    return without_known_secrets(text)


def is_text(value: Any) -> bool:
    """Tell whether a value may hold what somebody said."""
    return not isinstance(value, bool | int | float)
