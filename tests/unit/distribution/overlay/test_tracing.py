"""Traces: outside of one, upstream's traced methods are called as they are."""

import asyncio
import importlib
import inspect
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest

from distribution.overlay.tracing import NoTelemetry, deprecated_routes

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

    def _own(self, argument: Any) -> Any:
        return argument


class Events:
    """Takes the events of a trace."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def log_event(self, event: Any) -> None:
        """Note the beginning of a span."""
        if name := getattr(event.payload, "name", None):
            self.names.append(name)


async def call_all(argument: Any) -> list[Any]:
    one = Implementation()
    return [one.now(argument), await one.later(argument), *[item async for item in one.one_by_one(argument)]]


def test_outside_of_a_trace_nothing_is_written_down() -> None:
    argument = Unwritable()

    assert asyncio.run(call_all(argument)) == [argument] * 3


def test_in_a_trace_each_method_is_a_span() -> None:
    events = Events()

    async def traced() -> list[Any]:
        tracing.CURRENT_TRACE_CONTEXT.set(tracing.TraceContext(events, "1"))
        return await call_all("x")

    assert asyncio.run(traced()) == ["x"] * 3
    assert events.names == ["Implementation.now", "Implementation.later", "Implementation.one_by_one"]


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


def test_deprecated_routes_are_known() -> None:
    assert ("post", "/v1/openai/v1/chat/completions") in deprecated_routes()
    assert ("post", "/v1/chat/completions") not in deprecated_routes()
