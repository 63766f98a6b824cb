"""Spans as a collector gets them."""

import asyncio
import importlib
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from llama_stack.apis.telemetry import MetricEvent, SpanStatus
from opentelemetry.trace import StatusCode

from distribution.overlay.spans import CAPTURE_CONTENT
from distribution.verification import masking
from distribution.verification.masking import Masker

Finished = Callable[[], list[Any]]
tracing: Any = importlib.import_module("llama_stack.providers.utils.telemetry.tracing")
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def traces(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What goes to the thread of metrics; traces are started."""
    taken: list[Any] = []

    class Logger:
        def log_event(self, event: Any) -> None:
            taken.append(event)

    monkeypatch.setattr(tracing, "BACKGROUND_LOGGER", Logger())
    return taken


def test_a_request_is_a_trace_with_the_id_that_its_answer_has(traces: list[Any], finished: Finished) -> None:
    async def request() -> str:
        trace = await tracing.start_trace("/v1/models", {"__location__": "server", "raw_path": "/v1/models"})
        with tracing.span("step", {"model_id": "m"}) as step:
            step.set_attribute("number", 5)
            with tracing.span("inner"):
                pass
        trace.spans[-1].set_attribute("count", 1)
        await tracing.end_trace()
        return str(trace.trace_id)

    trace_id = asyncio.run(request())

    inner, step, root = finished()
    assert {format(one.context.trace_id, "032x") for one in (inner, step, root)} == {trace_id}
    assert (inner.parent.span_id, step.parent.span_id, root.parent) == (
        step.context.span_id,
        root.context.span_id,
        None,
    )
    assert root.attributes == {
        **{"__root__": True, "__root_span__": True, "__local_root_span__": True, "__ttl__": 604800},
        **{"__location__": "server", "raw_path": "/v1/models", "count": 1},
    }
    assert step.attributes["model_id"] == "m"
    assert traces == []  # no event of a span


def test_a_request_may_be_part_of_a_trace(traces: list[Any], finished: Finished) -> None:
    async def request() -> str:
        trace = await tracing.start_trace("/v1/models", {"traceparent": PARENT, "tracestate": "a=b"})
        await tracing.end_trace()
        return str(trace.trace_id)

    trace_id = asyncio.run(request())

    (root,) = finished()
    assert f"00-{trace_id}-{root.parent.span_id:016x}-01" == PARENT
    assert root.context.trace_state.get("a") == "b"
    assert root.attributes == {"__local_root_span__": True, "__ttl__": 604800}


@pytest.mark.parametrize("parent", ["", "nonsense", "00-" + "0" * 32 + "-" + "0" * 16 + "-01"])
def test_what_names_no_trace_is_a_trace_of_its_own(traces: list[Any], finished: Finished, parent: str) -> None:
    async def request() -> None:
        await tracing.start_trace("/v1/models", {"traceparent": parent})
        await tracing.end_trace()

    asyncio.run(request())
    (root,) = finished()
    assert root.parent is None
    assert "traceparent" not in root.attributes


@pytest.mark.parametrize("status", list(SpanStatus))
def test_a_span_has_the_status_that_it_ends_with(traces: list[Any], finished: Finished, status: SpanStatus) -> None:
    async def request() -> None:
        await tracing.start_trace("/v1/models")
        await tracing.end_trace(status)

    asyncio.run(request())
    (root,) = finished()
    assert root.status.status_code == {SpanStatus.OK: StatusCode.OK, SpanStatus.ERROR: StatusCode.ERROR}[status]


def test_nobody_collecting_a_request_has_an_id_all_the_same(traces: list[Any]) -> None:
    async def request() -> str:
        trace = await tracing.start_trace("/v1/models")
        with tracing.span("step"):
            await tracing.end_trace()
        return str(trace.trace_id)

    ids = {asyncio.run(request()) for _ in range(3)}
    assert len(ids) == 3
    assert {len(one.strip("0")) > 16 for one in ids} == {True}


@pytest.mark.parametrize("everything", [False, True])
def test_content_is_sent_only_where_asked_for_and_secrets_never(
    traces: list[Any], finished: Finished, monkeypatch: pytest.MonkeyPatch, everything: bool
) -> None:
    monkeypatch.setenv(CAPTURE_CONTENT, str(everything))
    monkeypatch.setattr(masking, "_of_process", Masker({}, {"VLLM_API_TOKEN": "sesame-open"}))
    handler = tracing.TelemetryHandler()
    record = logging.LogRecord("name", logging.WARNING, "path", 1, "said %s", ("loudly",), None)

    async def request() -> None:
        await tracing.start_trace("/v1/a", {"raw_path": "/v1/sesame-open/a", "__args__": "a prompt, sesame-open"})
        handler.emit(record)
        await tracing.end_trace()

    asyncio.run(request())
    (root,) = finished()
    assert root.attributes["raw_path"] == "/v1/****/a"
    assert root.attributes.get("__args__") == ("a prompt, ****" if everything else None)
    said = {"message": "said loudly", "severity": "warn", "__ttl__": 604800}
    assert [(one.name, one.attributes) for one in root.events] == ([("unstructured_log", said)] if everything else [])


def test_metrics_are_counted_and_are_events_of_the_span(traces: list[Any], finished: Finished) -> None:
    async def request() -> MetricEvent:
        await tracing.start_trace("/v1/chat/completions")
        span = tracing.get_current_span()
        metric = MetricEvent(
            trace_id=span.trace_id,
            span_id=span.span_id,
            metric="prompt_tokens",
            value=20,
            timestamp=datetime.now(UTC),
            unit="tokens",
            attributes={"model_id": "m"},
        )
        tracing.enqueue_event(metric)
        await tracing.end_trace()
        return metric

    assert traces == [asyncio.run(request())]
    (root,) = finished()
    said = {"value": 20, "unit": "tokens", "model_id": "m"}
    assert [(one.name, one.attributes) for one in root.events] == [("metric.prompt_tokens", said)]
