"""The user and the trace of a request: the same to the end of its stream, and nobody else's."""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Generator
from contextvars import Context, ContextVar, copy_context
from typing import Any

from distribution.overlay.declaration import change


class _In[T]:
    """An awaitable whose every step is made in a context of its own, and not in that of who awaits it."""

    def __init__(self, context: Context, awaitable: Awaitable[T]) -> None:
        self._context, self._awaitable = context, awaitable

    def __await__(self) -> Generator[Any, Any, T]:
        steps = self._awaitable.__await__()
        step, given = steps.send, None
        while True:
            try:
                waited_for = self._context.run(step, given)
            except StopIteration as done:
                result: T = done.value
                return result
            try:
                given = yield waited_for
                step = steps.send
            except BaseException as error:
                step, given = steps.throw, error


@change(
    "llama_stack.core.server.server:preserve_contexts_async_generator",
    takes=("gen", "context_vars"),
    why="A stream whose client leaves is ended by the garbage collector, as the user of whatever request is under way "
    "there: its chat completion is stored as nobody's or as somebody else's.",
    reference="llamastack/llama-stack#3924, #5227",
    fixed_in="0.7.0 in part",
    advisory="background-identity",
)
def in_the_requests_context(original: Any) -> Any:
    def preserve_contexts_async_generator(
        gen: AsyncGenerator[Any, None], context_vars: list[ContextVar[Any]]
    ) -> AsyncIterator[Any]:
        context = copy_context()

        async def events() -> AsyncIterator[Any]:
            try:
                while True:
                    try:
                        event = await _In(context, anext(gen))
                    except StopAsyncIteration:
                        return
                    yield event
            finally:
                await _In(context, gen.aclose())

        return events()

    return preserve_contexts_async_generator


@change(
    "llama_stack.providers.utils.telemetry.tracing:TraceContext.__init__",
    takes=("self", "logger", "trace_id"),
    why="All requests share one list of spans: those of one become children of another's, and none is ever freed.",
    reference="llamastack/llama-stack#4432",
    fixed_in="0.4.0",
    advisory="traces-in-common",
)
def own_spans(original: Any) -> Any:
    def initialize(self: Any, logger: Any, trace_id: str) -> None:
        original(self, logger, trace_id)
        self.spans = []

    return initialize
