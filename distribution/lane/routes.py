"""Where the lane begins: in front of upstream's generated routes, which take what it does not know."""

import logging
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from distribution.lane.answers import AnswerReader, ChatAnswer, EmbeddingsAnswer
from distribution.lane.backend import patience
from distribution.lane.destinations import Service, Services
from distribution.lane.exchange import Exchange
from distribution.lane.failures import Refusal, ServiceFailure
from distribution.lane.requests import Body, ChatRequest, CompletionRequest, EmbeddingsRequest, Reader
from distribution.lane.urls import may_be_followed
from providers import request_facts
from providers.request_facts import RequestFacts

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

CLIENT_VERSION = b"x-llamastack-client-version"
PROVIDER_DATA = b"x-llamastack-provider-data"
REPLAYED = "LLAMA_STACK_TEST_INFERENCE_MODE"
"""Upstream's variable for answers that are recorded and replayed, which only its own way knows."""

log = logging.getLogger(__name__)
_NO_SPAN = nullcontext()


@dataclass(frozen=True)
class Kind:
    """What is asked for on one of upstream's routes."""

    method: str
    """The method of upstream's API that the route is made from."""
    path: str
    """Where a service of OpenAI's protocol has it."""
    request: Reader[Any]
    answer: AnswerReader[Any]
    model_type: str
    traced: str
    """What upstream calls it in traces."""
    is_stored: bool = False


KINDS = (
    Kind(
        "create_chat_completion",
        "/chat/completions",
        Reader(ChatRequest),
        AnswerReader(ChatAnswer),
        "llm",
        "openai_chat_completion",
        is_stored=True,
    ),
    Kind(
        "openai_completion",
        "/completions",
        Reader(CompletionRequest),
        AnswerReader(ChatAnswer),
        "llm",
        "openai_completion",
    ),
    Kind(
        "openai_embeddings",
        "/embeddings",
        Reader(EmbeddingsRequest),
        AnswerReader(EmbeddingsAnswer),
        "embedding",
        "openai_embeddings",
    ),
)


def install(app: "FastAPI", router: Any) -> None:
    """Open the lane of an application; `router` is upstream's of the inference API, or None where there is none."""
    from llama_stack.core.routers.inference import InferenceRouter
    from starlette.routing import Route

    from providers.api_routes import routes_of
    from providers.lifespan import run_alongside

    if not isinstance(router, InferenceRouter) or REPLAYED in os.environ:
        return
    lanes = []
    for kind in KINDS:
        for route in routes_of(app, kind.method):
            lane = Lane(kind, router, route.handle)
            lanes.append(lane)
            app.router.routes.insert(0, Route(route.path, lane, methods=["POST"], include_in_schema=False))
    run_alongside(app, lambda: _services_of(lanes))


@asynccontextmanager
async def _services_of(lanes: "list[Lane]") -> AsyncGenerator[None]:
    """Give all lanes the same connections, which belong to the event loop of the server."""
    services = Services(patience())
    for lane in lanes:
        lane.services = services
    try:
        yield
    finally:
        services.close()


class Lane:
    """ASGI application: one of upstream's routes, or the part of its requests that the lane knows."""

    services: Services

    def __init__(self, kind: Kind, router: Any, upstream: "ASGIApp") -> None:
        self._kind, self._router, self._upstream = kind, router, upstream

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Serve one request."""
        from starlette.exceptions import HTTPException

        content = await _content(receive)
        if content is None:
            return
        with _context_of(scope):
            # A page of somebody else's can have a browser send what says that it is no JSON.
            body = self._kind.request.read(content) if _is_json(scope) else None
            try:
                found = await self._find(body.request.model) if body and may_be_followed(body) else None
                if body is not None and found is not None:
                    await self._serve(body, *found, scope, receive, send)
                    return
            except Refusal as refusal:
                raise HTTPException(refusal.status_code, str(refusal), refusal.headers) from refusal
        await self._upstream(scope, _again(content, receive), send)

    async def _serve(
        self, body: Body[Any], service: Service, model: str, scope: "Scope", receive: "Receive", send: "Send"
    ) -> None:
        from starlette.exceptions import HTTPException

        facts = request_facts.current.get() or RequestFacts("")
        facts.model = body.request.model
        store, knows_done = self._store(body.request), not _is_of_llama_stack(scope)
        exchange = Exchange(body, service, model, store, facts, knows_done=knows_done)
        try:
            with self._span(facts.model, service):
                await exchange.serve(self._kind.path, self._kind.answer, receive, send)
        except Refusal as refusal:
            if refusal.status_code >= 500:  # below that it is the client's, who is told
                log.warning("%s refuses: %s", service.place, refusal)
            raise
        except ServiceFailure as failure:
            log.warning("%s %s", service.place, failure)
            raise HTTPException(failure.status_code, f"{service.place} {failure}") from failure

    async def _find(self, model: str) -> tuple[Service, str] | None:
        """Return where a model is served and what it is called there; None where upstream has to say what is wrong.

        Raises Refusal where upstream says something else than what is wrong.
        """
        try:
            provider, name = await self._router._get_model_provider(model, self._kind.model_type)
            service = self.services.of(provider, name)
        except Refusal:
            raise
        except Exception:
            return None
        return None if service is None else (service, name)

    def _span(self, model: str, service: Service) -> Any:
        """Return the span that upstream's way has for this, where there are traces."""
        from llama_stack.providers.utils.telemetry import tracing

        if tracing.CURRENT_TRACE_CONTEXT.get() is None:
            return _NO_SPAN
        named = {"__class__": "InferenceRouter", "__method__": self._kind.traced, "model_id": model}
        return tracing.span(f"InferenceRouter.{self._kind.traced}", {**named, "provider_id": service.provider_id})

    def _store(self, request: Any) -> Any:
        store = self._router.completions
        return store if self._kind.is_stored and store is not None and store.keeps(request.store) else None


async def _content(receive: "Receive") -> bytes | None:
    """Return the body of a request, which RequestLimits hands on in one piece, or None where its client has gone."""
    message = await receive()
    return message["body"] if message["type"] == "http.request" else None


def _is_json(scope: "Scope") -> bool:
    """Whether a request says that its body is JSON, as upstream's routes want it."""
    for name, value in scope["headers"]:
        if name == b"content-type":
            kind: bytes = value.partition(b";")[0].strip().lower()
            return kind == b"application/json" or (kind.startswith(b"application/") and kind.endswith(b"+json"))
    return False


def _context_of(scope: "Scope") -> Any:
    """Return the context of a request as upstream's routes make it: who asks, and with which keys."""
    from llama_stack.core import request_headers

    headers = {
        name.decode(): value.decode("latin-1") for name, value in scope["headers"][::-1] if name == PROVIDER_DATA
    }
    user: Any = request_headers.user_from_scope(cast("dict[str, Any]", scope))
    return request_headers.request_provider_data_context(headers, user)


def _is_of_llama_stack(scope: "Scope") -> bool:
    """Whether the client is one of llama-stack's, which take the `[DONE]` at the end of a stream for a broken event."""
    return any(name == CLIENT_VERSION for name, _ in scope["headers"])


def _again(content: bytes, receive: "Receive") -> "Receive":
    """Return a `receive` that begins with the body that has been received."""
    given = False

    async def receive_again() -> "Message":
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": content, "more_body": False}

    return receive_again
