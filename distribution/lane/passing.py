"""The events of a stream on their way to the client."""

import logging
from typing import TYPE_CHECKING

import msgspec

from distribution.lane import streams
from distribution.lane.answers import OK, Usage, usage_of
from distribution.lane.connection import Answer
from distribution.lane.failures import Refusal, ServiceBroke, ServiceFailure
from distribution.verification.masking import shown
from providers.completions.assembly import Assembly
from providers.error_body import error_body

if TYPE_CHECKING:
    from starlette.types import Send

log = logging.getLogger(__name__)


class Passing:
    """Passes events on as soon as they are whole, under the name of the model that the client has used.

    `assembly` is what the stream comes to, if anybody needs it; `place` is where it comes from, for messages;
    `knows_done` is whether the client knows the event that says that this was all.
    """

    def __init__(self, model: str, place: str, send: "Send", assembly: Assembly | None, *, knows_done: bool) -> None:
        self.usage: Usage | None = None
        self.has_failed = False
        self._model, self._place, self._send_message, self._assembly = model, place, send, assembly
        self._knows_done = knows_done
        self._has_begun = False
        self._last = b""

    async def events_of(self, answer: Answer) -> None:
        """Pass on all events but the one that says that this was all. Raises what is wrong before the first."""
        try:
            await self._pass_on(answer)
        except (Refusal, ServiceFailure) as failure:
            if not self._has_begun:
                raise
            self.has_failed = True
            message = str(failure) if isinstance(failure, Refusal) else f"{self._place} {failure}"
            log.warning("a stream failed: %s", message)
            self._last = b"data: %s\n\n" % msgspec.json.encode(error_body(failure.status_code, str(shown(message))))

    async def _pass_on(self, answer: Answer) -> None:
        kind = answer.headers.get(b"content-type", b"nothing that has a type")
        if b"event-stream" not in kind.lower():
            raise ServiceBroke(f"answers no stream but {kind.decode('ascii', 'replace')}")
        events = streams.Events()
        while part := await answer.take():
            whole: list[bytes] = []
            try:
                for event in events.cut(part):
                    data = streams.data_of(event)
                    if data == streams.DONE:
                        self._last = event if self._knows_done else b""
                        return
                    whole.append(self._taken_in(event, data) if data else event)
            finally:
                if whole:
                    await self._send(b"".join(whole))
        if not events.is_whole or not self._has_begun:
            raise ServiceBroke("ends its stream in the middle of an event" if self._has_begun else "sends no event")
        if not answer.says_its_end:
            raise ServiceBroke("closed the connection in the middle of its answer")

    def _taken_in(self, event: bytes, data: bytes) -> bytes:
        chunk = streams.chunk_of(data)
        if usage := chunk.get("usage"):
            self.usage = usage_of(usage)
        if self._assembly is not None:
            self._assembly.add(chunk)
        return streams.renamed(event, data, chunk.get("model"), self._model)

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
