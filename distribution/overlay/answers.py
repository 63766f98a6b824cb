"""What clients get and what the log says: statuses, error bodies, streams, one line where others are at fault."""

import logging
import re
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from distribution.logs.levels import set_level
from distribution.overlay.declaration import change
from distribution.verification.masking import shown
from providers.error_body import SERVER_ERROR, error_body

if TYPE_CHECKING:
    from fastapi import FastAPI, Request
    from starlette.responses import Response
    from starlette.types import Send

SERVER = "llama_stack.core.server.server"
WITHOUT_BODY = (204, 304)
# What upstream raises as a plain ValueError, as for any mistake in a request.
NOT_FOUND = re.compile(
    r"(Benchmark|Chat completion|Conversation|Dataset|File|Item|Job|Provider|Response|Scoring|Session|Shield|Tool"
    r"|Vector_store)"
    r"\b.* not (found|served)\b|Provided step_id .* could not be found"
)
ENDPOINT = re.compile(r"Error executing endpoint route='(?P<route>.*)' method='(?P<method>.*)'")
MOST_ERRORS = 20
"""How many mistakes of a request an answer names."""


@change(
    f"{SERVER}:translate_exception",
    takes=("exc",),
    why="What is not there is a 400, a model of the wrong kind a 500, and so is what upstream asserts of a request, "
    "such as `Expected answer not found in input row.` of a scoring function.",
    reference="llamastack/llama-stack#4878, #4879",
    fixed_in="0.6.0 in part",
)
def translate_exception(translate_most: Any) -> Any:
    from fastapi.exceptions import RequestValidationError
    from llama_stack.apis.common.errors import ModelTypeError
    from pydantic import ValidationError
    from starlette.exceptions import HTTPException

    def translate(exc: Exception) -> Any:
        if isinstance(exc, ValidationError | RequestValidationError):
            exc = RequestValidationError(_the_first(exc.errors()))
        if isinstance(exc, ValueError) and NOT_FOUND.match(str(exc)):
            return HTTPException(404, str(exc))
        if isinstance(exc, ModelTypeError):
            return HTTPException(400, str(exc))
        if isinstance(exc, AssertionError) and str(exc):
            return HTTPException(400, f"Invalid value: {exc}")
        return translate_most(exc)

    return translate


@change(
    f"{SERVER}:StreamingResponse",
    why="A stream says 200 before its first event, so that an error before it has no status of its own.",
    reference="llamastack/llama-stack#4755",
    fixed_in="0.5.0 in part",
)
def streaming_response(original: Any) -> Any:
    from llama_stack.core.server import server
    from starlette.responses import StreamingResponse

    class EventStream(StreamingResponse):
        """Waits for the first event before it says 200."""

        async def stream_response(self, send: "Send") -> None:
            body: Any = self.body_iterator
            async with aclosing(body) as events:  # also if the client has left, for what is stored then
                try:
                    first = await anext(events)
                except StopAsyncIteration:
                    first = ""
                except Exception as error:
                    server.logger.error("A stream failed before its first event", exc_info=error)
                    raise server.translate_exception(error) from error
                self.body_iterator = _again(first, events)
                await super().stream_response(send)

    return EventStream


@change(
    f"{SERVER}:sse_generator",
    takes=("event_gen_coroutine",),
    why="An error in a stream is written in a form that neither OpenAI's client nor llama-stack's understands.",
    reference="llamastack/llama-stack#4883, #5224",
    fixed_in="0.8.0",
)
def sse_generator(original: Any) -> Any:
    from llama_stack.core.server import server

    async def sse_generator(event_gen_coroutine: Awaitable[Any]) -> AsyncIterator[str]:
        async with aclosing(await event_gen_coroutine) as events:
            begun = False
            try:
                async for event in events:
                    yield server.create_sse_event(event)
                    begun = True
            except Exception as error:
                if not begun:
                    raise
                server.logger.error("A stream failed", exc_info=error)
                translated = server.translate_exception(error)
                yield server.create_sse_event(body_of(_status(translated), _detail(translated), _code(error)))

    return sse_generator


@change(
    f"{SERVER}:log_request_pre_validation",
    takes=("request",),
    why="Every body is parsed and pretty-printed, for a line that only the debug level shows.",
    reference="llamastack/llama-stack#5248",
    fixed_in="0.7.0",
)
def log_request_pre_validation(log_body: Any) -> Any:
    from llama_stack.core.server import server

    async def log_request_pre_validation(request: "Request") -> None:
        if server.logger.isEnabledFor(logging.DEBUG):
            await log_body(request)

    return log_request_pre_validation


NEEDLESS_TRACEBACKS = (
    "An ERROR with a traceback of a hundred lines stands in the log for each mistake of a client and each refusal of a "
    "service behind the server; to render it keeps all others waiting."
)


@change(f"{SERVER}:logger", why=NEEDLESS_TRACEBACKS)
@change(
    "llama_stack.providers.inline.agents.meta_reference.responses.streaming:logger",
    why=NEEDLESS_TRACEBACKS,
)
def logger(adapter: Any) -> Any:
    def without_needless_traceback(record: logging.LogRecord) -> bool:
        from llama_stack.core.server import server

        error = record.exc_info[1] if record.exc_info else None
        if not isinstance(error, Exception):
            return True
        status = _status(server.translate_exception(error))
        if status == SERVER_ERROR and not isinstance(getattr(error, "status_code", None), int):  # our own
            return True
        said = ENDPOINT.sub(lambda match: f"{match['method'].upper()} {match['route']}", record.getMessage())
        record.msg, record.args = f"{said}: {_one_line(error)}", ()
        record.exc_info = record.exc_text = None
        return set_level(record, logging.INFO if status < SERVER_ERROR else logging.WARNING)

    adapter.logger.addFilter(without_needless_traceback)
    return adapter


def answer_errors(app: "FastAPI") -> None:
    """Add what OpenAI's clients read, `error.message` and the like, to the bodies of upstream's answers."""
    from fastapi.exceptions import RequestValidationError
    from llama_stack.core.server import server
    from starlette.exceptions import HTTPException
    from starlette.responses import JSONResponse, Response

    async def answer(request: "Request", error: Exception) -> "Response":
        translated = error if isinstance(error, HTTPException) else server.translate_exception(error)
        status, detail = _status(translated), _detail(translated)
        headers = getattr(translated, "headers", None)
        if status in WITHOUT_BODY:
            return Response(status_code=status, headers=headers)
        body = body_of(status, detail, _code(error))
        if isinstance(error, HTTPException):
            body["detail"] = detail
        else:
            body["error"]["detail"] = detail
        return JSONResponse(body, status_code=status, headers=headers)

    for kind in (HTTPException, RequestValidationError, Exception):
        app.exception_handler(kind)(answer)


def _the_first(errors: Sequence[Any]) -> list[Any]:
    """Return as many as somebody reads, and how many more there are: each item of a list may be wrong in many ways."""
    more = len(errors) - MOST_ERRORS
    told = list(errors[:MOST_ERRORS])
    return told if more <= 0 else [*told, {"loc": (), "msg": f"{more} more", "type": "more"}]


def body_of(status: int, detail: Any, code: str | None = None) -> dict[str, Any]:
    """Return an error as OpenAI's API describes it; of several mistakes all are said, and the first has a place."""
    errors = (detail.get("errors") if isinstance(detail, dict) else None) or []
    places = [_place(error) for error in errors]
    told = (
        f"{place}: {error['msg']}" if place else str(error["msg"]) for place, error in zip(places, errors, strict=True)
    )
    return error_body(
        status, "; ".join(told) if errors else str(detail), param=next(iter(places), None) or None, code=code
    )


def _place(error: dict[str, Any]) -> str:
    """The dotted path of what is wrong; of JSON that is none, there is no part to name."""
    return "" if error["type"] == "json_invalid" else ".".join(str(part) for part in error["loc"] if part != "body")


async def _again(first: Any, rest: AsyncIterator[Any]) -> AsyncIterator[Any]:
    yield first
    async for event in rest:
        yield event


def _one_line(error: BaseException) -> str:
    return " ".join(str(shown(str(error))).split())


def _status(translated: Any) -> int:
    return int(getattr(translated, "status_code", SERVER_ERROR))


def _code(error: Exception) -> str | None:
    """What an error of ours calls itself, as URLNotAllowed does; upstream's routes have translated it already."""
    return getattr(error, "error_code", None) or getattr(error.__cause__, "error_code", None)


def _detail(translated: Any) -> Any:
    return shown(getattr(translated, "detail", str(translated)))
