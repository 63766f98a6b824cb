"""Traces: outside of one, upstream's traced methods are called as they are."""

import asyncio
import importlib
import inspect
import logging
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from distribution.overlay.spans import CAPTURE_CONTENT
from distribution.overlay.tracing import NoTelemetry, deprecated_routes

Finished = Callable[[], list[Any]]
tracing: Any = importlib.import_module("llama_stack.providers.utils.telemetry.tracing")
trace_protocol: Any = importlib.import_module("llama_stack.providers.utils.telemetry.trace_protocol")


@trace_protocol.trace_protocol
class Protocol:
    """As upstream's APIs are."""


class Unwritable:
    """An argument that is not written down; a span would."""

    def __str__(self) -> str:
        raise AssertionError("written down")


class Implementation(Protocol):
    """As a provider of one is."""

    def now(self, argument: Any) -> Any:
        """Return the argument."""
        return argument

    async def later(self, argument: Any) -> Any:
        """Return the argument."""
        return argument

    async def one_by_one(self, argument: Any) -> AsyncIterator[Any]:
        """Yield the argument."""
        yield argument

    async def failing(self) -> None:
        """Fail."""
        raise RuntimeError("as it says")

    async def get_provider_impl(self, key: str) -> Any:
        """As upstream's routing tables have it."""

    def _own(self, argument: Any) -> Any:
        return argument


async def call_all(argument: Any) -> list[Any]:
    one = Implementation()
    return [one.now(argument), await one.later(argument), *[item async for item in one.one_by_one(argument)]]


def test_outside_of_a_trace_nothing_is_written_down() -> None:
    argument = Unwritable()

    assert asyncio.run(call_all(argument)) == [argument] * 3


def test_in_a_trace_each_method_is_a_span_and_nothing_is_written_down(finished: Finished) -> None:
    argument = Unwritable()

    async def traced() -> list[Any]:
        tracing.CURRENT_TRACE_CONTEXT.set(tracing.TraceContext(None, "1"))
        return await call_all(argument)

    assert asyncio.run(traced()) == [argument] * 3
    assert {span.name: span.attributes["__type__"] for span in finished()} == {
        "Implementation.now": "sync",
        "Implementation.later": "async",
        "Implementation.one_by_one": "async_generator",
    }


def test_what_fails_ends_its_span(finished: Finished) -> None:
    trace = tracing.TraceContext(None, "1")

    async def traced() -> None:
        tracing.CURRENT_TRACE_CONTEXT.set(trace)
        await Implementation().failing()

    with pytest.raises(RuntimeError, match="as it says"):
        asyncio.run(traced())
    assert [span.name for span in finished()] == ["Implementation.failing"]
    assert trace.spans == []


def test_with_content_arguments_and_results_are_in_spans(finished: Finished, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CAPTURE_CONTENT, "true")

    async def traced() -> list[Any]:
        tracing.CURRENT_TRACE_CONTEXT.set(tracing.TraceContext(None, "1"))
        return await call_all("said")

    asyncio.run(traced())
    now, later, one_by_one = (span.attributes for span in finished())
    assert now["__args__"] == later["__args__"] == one_by_one["__args__"] == '{"argument": "said"}'
    assert now["output"] == later["output"] == "said"
    assert one_by_one["chunk_count"] == "1"


def test_what_routers_look_up_is_no_span(finished: Finished) -> None:
    async def traced() -> None:
        tracing.CURRENT_TRACE_CONTEXT.set(tracing.TraceContext(None, "1"))
        await Implementation().get_provider_impl("model")

    asyncio.run(traced())
    assert finished() == []


def test_methods_are_of_the_kind_that_they_were() -> None:
    assert inspect.iscoroutinefunction(Implementation.later)
    assert inspect.isasyncgenfunction(Implementation.one_by_one)
    assert not inspect.iscoroutinefunction(Implementation.now)
    assert list(inspect.signature(Implementation.later).parameters) == ["self", "argument"]


def test_telemetry_that_is_off_starts_no_thread_and_no_handler(monkeypatch: pytest.MonkeyPatch) -> None:
    server: Any = importlib.import_module("llama_stack.core.server.server")
    monkeypatch.setattr(tracing, "BACKGROUND_LOGGER", None)
    handlers, level = list(logging.getLogger().handlers), logging.getLogger().level

    adapter = server.TelemetryAdapter(server.TelemetryConfig(), {})
    server.setup_logger(adapter)

    assert isinstance(adapter, NoTelemetry)
    assert tracing.BACKGROUND_LOGGER is None
    assert (logging.getLogger().handlers, logging.getLogger().level) == (handlers, level)


def test_the_pattern_of_a_route_is_tried_once() -> None:
    find = importlib.import_module("llama_stack.core.server.tracing").find_matching_route
    some: Any = {"post": {"^/a$": (None, "/a", "some"), "^/b/(?P<c>[^/]+)$": (None, "/b/{c}", "one")}}
    other: Any = {"post": {"^/a$": (None, "/a", "other")}}

    assert [find("post", "/a", some)[3] for _ in range(2)] == ["some", "some"]
    assert [find("post", path, some)[1] for path in ("/b/1", "/b/2")] == [{"c": "1"}, {"c": "2"}]
    assert find("post", "/a", other)[3] == "other"
    with pytest.raises(ValueError, match="No endpoint"):
        find("get", "/a", other)


def test_deprecated_routes_are_known() -> None:
    assert ("post", "/v1/openai/v1/chat/completions") in deprecated_routes()
    assert ("post", "/v1/chat/completions") not in deprecated_routes()
