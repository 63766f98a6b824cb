"""What clients are told when something goes wrong, and what the log is."""

import logging
import re
from collections.abc import AsyncIterator, Awaitable
from contextlib import aclosing
from types import ModuleType
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from llama_stack.apis.common.errors import ModelTypeError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.types import Send

from distribution.verification.masking import without_secrets

SERVER_ERROR = 500
WITHOUT_BODY = (204, 304)
# What upstream raises as a plain ValueError, as for any mistake in a request.
NOT_FOUND = re.compile(
    r"(Benchmark|Chat completion|Conversation|File|Item|Job|Provider|Response|Scoring|Session|Shield|Vector_store)"
    r"\b.* not (found|served)\b"
)
# OpenAI's words; every other mistake of a client is an invalid request.
ERROR_TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}


def change_answers(module: ModuleType) -> None:
    """llama_stack.core.server.server: statuses for streams that cannot begin, a log without clutter."""
    translate_most = module.translate_exception
    log_body = module.log_request_pre_validation

    def translate(error: Exception) -> Any:
        if isinstance(error, ValueError) and NOT_FOUND.match(str(error)):
            return HTTPException(404, str(error))
        if isinstance(error, ModelTypeError):
            return HTTPException(400, str(error))
        return translate_most(error)

    class EventStream(StreamingResponse):
        """Waits for the first event before it says 200, so that an error has its own status and body."""

        async def stream_response(self, send: Send) -> None:
            events = aiter(self.body_iterator)
            try:
                first = await anext(events)
            except StopAsyncIteration:
                first = ""
            except Exception as error:
                module.logger.error("A stream failed before its first event", exc_info=error)
                raise translate(error) from error
            self.body_iterator = _again(first, events)
            await super().stream_response(send)

    async def sse_generator(coming: Awaitable[Any]) -> AsyncIterator[str]:
        async with aclosing(await coming) as events:
            begun = False
            try:
                async for event in events:
                    yield module.create_sse_event(event)
                    begun = True
            except Exception as error:
                if not begun:
                    raise
                module.logger.error("A stream failed", exc_info=error)
                translated = translate(error)
                yield module.create_sse_event(error_body(_status(translated), _detail(translated)))

    async def log_request_pre_validation(request: Request) -> None:
        # Upstream formats every body, for a line that only the debug level shows.
        if module.logger.isEnabledFor(logging.DEBUG):
            await log_body(request)

    def without_needless_traceback(record: logging.LogRecord) -> bool:
        """Make one line of an error that is not the server's own: rendering tracebacks keeps all others waiting."""
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, Exception) and _status(translate(error)) != SERVER_ERROR:
            record.msg, record.args = f"{record.getMessage()}: {_one_line(error)}", ()
            record.exc_info = None
        return True

    module.translate_exception = translate  # type: ignore[attr-defined]
    module.StreamingResponse = EventStream  # type: ignore[attr-defined]
    module.sse_generator = sse_generator  # type: ignore[attr-defined]
    module.log_request_pre_validation = log_request_pre_validation  # type: ignore[attr-defined]
    module.logger.logger.addFilter(without_needless_traceback)


def answer_errors(app: FastAPI, module: ModuleType) -> None:
    """Add what OpenAI's clients read, `error.message` and the like, to the bodies of upstream's answers."""

    async def answer(request: Request, error: Exception) -> Response:
        translated = error if isinstance(error, HTTPException) else module.translate_exception(error)
        status, detail = _status(translated), _detail(translated)
        headers = getattr(translated, "headers", None)
        if status in WITHOUT_BODY:
            return Response(status_code=status, headers=headers)
        body = error_body(status, detail)
        if isinstance(error, HTTPException):
            body["detail"] = detail
        else:
            body["error"]["detail"] = detail
        return JSONResponse(body, status_code=status, headers=headers)

    for kind in (HTTPException, RequestValidationError, Exception):
        app.exception_handler(kind)(answer)


def error_body(status: int, detail: Any) -> dict[str, Any]:
    """Return an error as OpenAI's API describes it, with the status as its code."""
    errors = detail.get("errors") if isinstance(detail, dict) else None
    places = [_place(error) for error in errors or []]
    if errors:
        message = "; ".join(
            f"{place}: {error['msg']}" if place else str(error["msg"])
            for place, error in zip(places, errors, strict=True)
        )
    else:
        message = str(detail)
    kind = "server_error" if status >= SERVER_ERROR else ERROR_TYPES.get(status, "invalid_request_error")
    param = next(iter(places), None) or None
    return {"error": {"message": message, "type": kind, "param": param, "code": status}}


def _place(error: dict[str, Any]) -> str:
    """The dotted path of what is wrong; of JSON that is none, there is no part to name."""
    return "" if error["type"] == "json_invalid" else ".".join(str(part) for part in error["loc"] if part != "body")


async def _again(first: Any, rest: AsyncIterator[Any]) -> AsyncIterator[Any]:
    yield first
    async for event in rest:
        yield event


def _one_line(error: BaseException) -> str:
    return " ".join(str(without_secrets(str(error))).split())


def _status(translated: Any) -> int:
    return int(getattr(translated, "status_code", SERVER_ERROR))


def _detail(translated: Any) -> Any:
    return without_secrets(getattr(translated, "detail", str(translated)))
