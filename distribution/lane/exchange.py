"""One request: sent on to a service, its answer passed back, and stored before it is acknowledged."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import msgspec

from distribution.lane import answers
from distribution.lane.answers import OK, AnswerReader, Usage
from distribution.lane.connection import Answer
from distribution.lane.destinations import Service
from distribution.lane.failures import Refusal, ServiceFailure
from distribution.lane.passing import Passing
from distribution.lane.requests import Body, ChatRequest, Request
from distribution.lane.watching import ClientWatch
from providers.completions.assembly import Assembly
from providers.completions.record import Asked
from providers.request_facts import RequestFacts

if TYPE_CHECKING:
    from starlette.types import Receive, Send

BAD_REQUEST = 400
SECONDS_TO_END = 1.0
"""How long a service may take to end a stream after it has said that this was all; then its connection is closed."""


class Exchange:
    """One request of a client and its answer.

    `store` is where a chat completion is kept, or None; `knows_done` is whether the client knows the end of a stream.
    """

    def __init__(
        self, body: Body[Any], service: Service, model: str, store: Any, facts: RequestFacts, *, knows_done: bool
    ) -> None:
        self._body = body
        self._request: Request = body.request
        self._service = service
        self._model = model  # as the service calls it
        self._store = store
        self._facts = facts
        self._knows_done = knows_done

    async def serve(self, path: str, reader: AnswerReader[Any], receive: "Receive", send: "Send") -> None:
        """Serve the request. Raises Refusal or ServiceFailure as long as nothing has been answered."""
        if self._request.stream:
            await self._pass_stream_on(path, receive, send)
        else:
            await self._pass_on(path, reader, receive, send)

    async def _pass_on(self, path: str, reader: AnswerReader[Any], receive: "Receive", send: "Send") -> None:
        with ClientWatch(receive) as watch:
            body = await self._whole_answer(path)
        if watch.client_is_gone:
            return
        answer = reader.read(body)
        fields = answers.FIELDS.decode(body)
        self._note(answer.usage)
        if self._store is not None:
            texts: dict[str, Any] = {name: bytes(fields[name]) for name in ("choices", "usage") if name in fields}
            await self._keep(lambda: {**msgspec.structs.asdict(answer), **texts})
        await _send_json(answers.renamed(body, answer.model, self._request.model, fields), send)

    async def _whole_answer(self, path: str) -> bytes:
        answer = await self._ask(path)
        try:
            return await answer.whole(answers.MOST_BYTES)
        finally:
            answer.abandon()

    async def _pass_stream_on(self, path: str, receive: "Receive", send: "Send") -> None:
        assembly = None if self._store is None else Assembly(self._body.request.n or 1)
        passing = Passing(self._request.model, self._service.place, send, assembly, knows_done=self._knows_done)
        answer = None
        try:
            with ClientWatch(receive) as watch:
                answer = await self._ask(path)
                await passing.events_of(answer)
            if answer is not None and watch.client_is_gone:
                answer.abandon()
            self._note(passing.usage)
            if assembly is not None and assembly.has_begun and not passing.has_failed:
                await self._keep(assembly.completion)  # of what a client has not waited for, as far as it came
            await passing.end()
            await _read_to_the_end(answer)
        finally:
            if answer is not None:
                answer.abandon()

    async def _keep(self, completion: Callable[[], Mapping[str, Any]]) -> None:
        request: ChatRequest = self._body.request
        asked = Asked(request.model, self._body.raw("messages"), request.metadata)
        await self._store.keep(lambda: asked.answered(completion()))

    def _note(self, usage: Usage | None) -> None:
        if usage is not None:
            self._facts.input_tokens, self._facts.output_tokens = usage.prompt_tokens, usage.completion_tokens

    async def _ask(self, path: str) -> Answer:
        """Send the request, with the configured limit of tokens if it has none and the context has room for it."""
        limit = self._service.destination.max_tokens
        answer = None
        if limit and isinstance(self._request, ChatRequest) and not self._request.limits_tokens:
            answer = await self._send(path, {"max_tokens": limit})
            # If there is no room, the limit is what the context has left, which the service works out by itself. If
            # something else is wrong with the request, it will say so once more.
            if answer.status == BAD_REQUEST:
                await self._refusal(answer)
                answer = None
        answer = answer or await self._send(path, None)
        if answer.status != OK:
            raise await self._refusal(answer)
        return answer

    async def _refusal(self, answer: Answer) -> Refusal | ServiceFailure:
        try:
            return await answers.refusal(answer, self._service.place)
        finally:
            answer.abandon()

    async def _send(self, path: str, added: Mapping[str, Any] | None) -> Answer:
        body = self._body.to_send(self._model, added)
        return await self._service.backend.send(
            self._service.request(path, body, stream=bool(self._request.stream)),
        )


async def _read_to_the_end(answer: Answer | None) -> None:
    """Take the end of an answer, so that its connection can be used again."""
    if answer is None or answer.is_complete:
        return
    with suppress(TimeoutError, ServiceFailure):
        async with asyncio.timeout(SECONDS_TO_END):
            while await answer.take():
                pass


async def _send_json(body: bytes, send: "Send") -> None:
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": OK, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})
