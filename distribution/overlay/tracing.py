"""Traces: with telemetry off they cost nothing and say nothing, with it on little, and nothing else depends on them."""

import inspect
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache, wraps
from typing import Any

from distribution.overlay.declaration import change
from distribution.overlay.spans import captures_content

SERVER = "llama_stack.core.server.server"
OFF = (
    "With telemetry off, each request has its trace all the same: spans with all arguments and results written as JSON "
    "are queued for a thread that throws them away, and the log warns that there is no collector."
)
DEPRECATED = "Each request to a deprecated route is a warning, and with telemetry on only since the trace looks for it."
LOOKED_UP = ("get_provider_impl", "has_model")
"""What routers ask their routing tables for each request; no route leads there."""


class NoTelemetry:
    """Stands for the telemetry of a server that has none."""

    def __init__(self, config: Any, deps: Any) -> None:
        """Take what upstream's takes, and leave it."""


@change(f"{SERVER}:TelemetryAdapter", why=OFF)
def telemetry_adapter(original: Any) -> Any:
    return NoTelemetry


@change(
    f"{SERVER}:setup_logger",
    takes=("api", "level"),
    why=f"{OFF} With it on, all libraries log at INFO from then on: a line for each request of theirs.",
)
def setup_logger(original: Callable[..., None]) -> Callable[..., None]:
    def setup_logger(api: Any, level: int = logging.INFO) -> None:
        from llama_stack.providers.utils.telemetry.tracing import TelemetryHandler

        root = logging.getLogger()
        if not isinstance(api, NoTelemetry):
            original(api, root.level)
        if not captures_content():  # and no line of the log goes into a span
            root.handlers[:] = [one for one in root.handlers if not isinstance(one, TelemetryHandler)]

    return setup_logger


@change(f"{SERVER}:create_app", takes=(), why=OFF)
def create_app(original: Any) -> Any:
    def create_app() -> Any:
        from llama_stack.core.server.tracing import TracingMiddleware

        app = original()
        if not app.stack.run_config.telemetry.enabled:
            app.user_middleware[:] = [one for one in app.user_middleware if one.cls is not TracingMiddleware]
        return app

    return create_app


@change(
    "llama_stack.providers.utils.telemetry.trace_protocol:trace_protocol",
    takes=("cls",),
    why=f"{OFF} With it on, they are written as JSON and thrown away, where spans have no content, for each step of a "
    "request, and what looks up the provider of a model is a span too.",
)
def trace_protocol(original: Callable[[type], type]) -> Callable[[type], type]:
    def trace_protocol(cls: type) -> type:
        traced = original(cls)
        trace_methods: Any = vars(traced)["__init_subclass__"].__func__

        def __init_subclass__(child: type, /, **options: Any) -> None:
            methods = {name: method for name, method in vars(child).items() if inspect.isfunction(method)}
            trace_methods(child, **options)
            for name, method in methods.items():
                if (with_span := vars(child)[name]) is not method:
                    setattr(child, name, method if name in LOOKED_UP else in_traces_only(method, with_span))

        traced.__init_subclass__ = classmethod(__init_subclass__)  # type: ignore[assignment]
        return traced

    return trace_protocol


@cache
def _traces() -> ContextVar[Any]:
    from llama_stack.providers.utils.telemetry.tracing import CURRENT_TRACE_CONTEXT

    return CURRENT_TRACE_CONTEXT


@contextmanager
def _span(trace: Any, kind: str, owner: object, method: Callable[..., Any]) -> Iterator[Any]:
    """A span as upstream has it of a traced method, without arguments and result."""
    of, name = type(owner).__name__, method.__name__
    named = {"__autotraced__": True, "__class__": of, "__method__": name, "__type__": kind}
    span = trace.push_span(f"{of}.{name}", named)
    try:
        yield span
    finally:
        trace.pop_span()


def in_traces_only(method: Callable[..., Any], with_content: Callable[..., Any]) -> Callable[..., Any]:
    """Return what calls a method as it is outside of a trace, in one with a span; `with_content` is upstream's way."""

    @wraps(method)
    def call(*arguments: Any, **options: Any) -> Any:
        if (trace := _traces().get()) is None:
            return method(*arguments, **options)
        if captures_content():
            return with_content(*arguments, **options)
        if inspect.iscoroutinefunction(method):
            return later(trace, arguments, options)
        with _span(trace, "sync", arguments[0], method):
            return method(*arguments, **options)

    async def later(trace: Any, arguments: tuple[Any, ...], options: dict[str, Any]) -> Any:
        with _span(trace, "async", arguments[0], method):
            return await method(*arguments, **options)

    @wraps(method)
    async def generate(*arguments: Any, **options: Any) -> Any:
        if (trace := _traces().get()) is None or captures_content():
            async for item in (method if trace is None else with_content)(*arguments, **options):
                yield item
            return
        with _span(trace, "async_generator", arguments[0], method) as span:
            count = 0
            try:
                async for item in method(*arguments, **options):
                    yield item
                    count += 1
            finally:
                span.set_attribute("chunk_count", count)

    if inspect.isasyncgenfunction(method):
        return generate
    return inspect.markcoroutinefunction(call) if inspect.iscoroutinefunction(method) else call


@change(
    "llama_stack.core.server.tracing:find_matching_route",
    takes=("method", "path", "route_impls"),
    why="For each request the patterns of all routes are tried in turn to name its trace.",
)
def find_matching_route(original: Callable[..., Any]) -> Callable[..., Any]:
    tried: Any = None
    found: dict[tuple[str, str], Any] = {}

    def find_matching_route(method: str, path: str, route_impls: Any) -> Any:
        nonlocal tried
        if tried is not route_impls:
            tried = route_impls
            found.clear()
        if (match := found.get((method, path))) is None:
            match = original(method, path, route_impls)
            if match[2] == path:  # others are many
                found[method, path] = match
        return match

    return find_matching_route


@change(f"{SERVER}:create_dynamic_typed_route", takes=("func", "method", "route"), why=DEPRECATED)
def create_dynamic_typed_route(original: Callable[..., Any]) -> Callable[..., Any]:
    from llama_stack.core.server import server

    def create_dynamic_typed_route(func: Any, method: str, route: str) -> Any:
        handler = original(func, method, route)
        if (method, route) not in deprecated_routes():
            return handler
        said = False

        @wraps(handler)
        async def deprecated(*arguments: Any, **options: Any) -> Any:
            nonlocal said
            if not said:
                said = True
                server.logger.warning(f"{method.upper()} {route} is used, which is deprecated; this is said once")
            return await handler(*arguments, **options)

        return deprecated

    return create_dynamic_typed_route


@cache
def deprecated_routes() -> frozenset[tuple[str, str]]:
    """Return method, in lower case, and path of each deprecated route of llama-stack's own."""
    from llama_stack.core.server.routes import get_all_api_routes

    return frozenset(
        (method.lower(), route.path)
        for routes in get_all_api_routes().values()
        for route, webmethod in routes
        if webmethod.deprecated
        for method in route.methods or ()
    )


@change("llama_stack.core.server.tracing:logger", why=DEPRECATED)
def tracing_logger(adapter: Any) -> Any:
    def without_deprecations(record: logging.LogRecord) -> bool:
        return not str(record.msg).startswith("DEPRECATED ROUTE USED")

    adapter.logger.addFilter(without_deprecations)
    return adapter
