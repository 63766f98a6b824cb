"""One request: sent on to a service, its answer passed back, and stored before it is acknowledged."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import msgspec

from distribution.lane import answers, streams
from distribution.lane.answers import AnswerReader, ChatAnswer, Usage
from distribution.lane.connection import Answer
from distribution.lane.destinations import Service
from distribution.lane.failures import Refusal, ServiceBroke, ServiceFailure
from distribution.lane.requests import Body, ChatRequest, Request
from distribution.lane.streams import Assembled
from distribution.lane.watching import ClientWatch
from providers.completions.record import StoredCompletion
from providers.error_body import error_body
from providers.request_facts import RequestFacts

if TYPE_CHECKING:
    from starlette.types import Receive, Send

OK = 200
BAD_REQUEST = 400
SECONDS_TO_END = 1.0
"""How long a service may take to end a stream after it has said that this was all; then its connection is closed."""


class Exchange:
    """One request of a client and its answer. `store` is where the completion is kept, or None."""

    def __init__(self, body: Body[Any], service: Service, model: str, store: Any, facts: RequestFacts) -> None:
        self._body = body
        self._request: Request = body.request
        self._service = service
        self._model = model  # as the service calls it
        self._store = store
        self._facts = facts

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
        if self._store is not None and isinstance(answer, ChatAnswer):
            usage = bytes(fields["usage"]) if answer.usage is not None else None
            await self._keep(answer, bytes(fields["choices"]), usage)
        await _send_json(answers.renamed(body, answer.model, self._request.model, fields), send)

    async def _whole_answer(self, path: str) -> bytes:
        answer = await self._ask(path)
        try:
            return await answer.whole(answers.MOST_BYTES)
        finally:
            answer.abandon()

    async def _pass_stream_on(self, path: str, receive: "Receive", send: "Send") -> None:
        passing = _Passing(self._request.model, send)
        answer = None
        try:
            with ClientWatch(receive):
                answer = await self._ask(path)
                await passing.events_of(answer)
            await self._keep_stream(passing.assembled)  # what has been said has been said, to its end or not
            await passing.end()
            await _read_to_the_end(answer)
        finally:
            if answer is not None:
                answer.abandon()

    async def _keep_stream(self, assembled: Assembled) -> None:
        self._note(assembled.usage)
        if self._store is not None and assembled.id:
            await self._keep(assembled, assembled.choices(), assembled.usage_text)

    async def _keep(self, answer: ChatAnswer | Assembled, choices: bytes, usage: bytes | None) -> None:
        request: ChatRequest = self._body.request
        await self._store.add(
            StoredCompletion(
                id=answer.id,
                created=answer.created,
                model=request.model,
                choices=choices,
                messages=self._body.raw("messages"),
                usage=usage,
                metadata=request.metadata,
                service_tier=answer.service_tier,
                system_fingerprint=answer.system_fingerprint,
            )
        )

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
                await answer.whole(answers.MOST_BYTES)
                answer = None
        answer = answer or await self._send(path, None)
        if answer.status != OK:
            raise await answers.refusal(answer)
        return answer

    async def _send(self, path: str, added: Mapping[str, Any] | None) -> Answer:
        body = self._body.to_send(self._model, added)
        return await self._service.backend.send(
            self._service.request(path, body, stream=bool(self._request.stream)),
        )


class _Passing:
    """The events of a stream on their way to the client."""

    def __init__(self, model: str, send: "Send") -> None:
        self.assembled = Assembled()
        self._model, self._send_message = model, send
        self._has_begun = False
        self._last = b""

    async def events_of(self, answer: Answer) -> None:
        """Pass on all events but the one that says that this was all. Raises what is wrong before the first."""
        try:
            await self._pass_on(answer)
        except (Refusal, ServiceFailure) as failure:
            if not self._has_begun:
                raise
            self._last = b"data: %s\n\n" % msgspec.json.encode(error_body(failure.status_code, str(failure)))

    async def _pass_on(self, answer: Answer) -> None:
        if b"event-stream" not in answer.headers.get(b"content-type", b""):
            raise ServiceBroke("answers what is no stream")
        events = streams.Events()
        while part := await answer.take():
            whole: list[bytes] = []
            try:
                for event in events.cut(part):
                    data = streams.data_of(event)
                    if data == streams.DONE:
                        self._last = event
                        return
                    whole.append(self._taken_in(event, data) if data else event)
            finally:
                if whole:
                    await self._send(b"".join(whole))
        if not events.is_whole or not self._has_begun:
            raise ServiceBroke("ends its stream in the middle of an event" if self._has_begun else "sends no event")

    def _taken_in(self, event: bytes, data: bytes) -> bytes:
        chunk = streams.chunk_of(data)
        self.assembled.add(chunk, data)
        return streams.renamed(event, data, chunk, self._model)

    async def end(self) -> None:
        """Send what ends the stream, now that all of it is stored."""
        if self._has_begun:
            await self._send_message({"type": "http.response.body", "body": self._last, "more_body": False})

    async def _send(self, events: bytes) -> None:
        if not self._has_begun:
            self._has_begun = True
            headers = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-cache")]
            await self._send_message({"type": "http.response.start", "status": OK, "headers": headers})
        await self._send_message({"type": "http.response.body", "body": events, "more_body": True})


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
