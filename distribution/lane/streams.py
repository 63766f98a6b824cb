"""What a stream has to be: events, each handed on when it is whole."""

from collections.abc import Iterator
from typing import Any

import msgspec

from distribution.lane.answers import FIELDS
from distribution.lane.failures import UNREADABLE, Refusal, ServiceBroke, error_of

DONE = b"[DONE]"
MOST_BYTES = 1 << 24
"""How large an event may be."""
_CHUNK = msgspec.json.Decoder(dict[str, Any])


class Events:
    """Cuts what comes in into whole events; what is no event yet waits here for the rest."""

    def __init__(self) -> None:
        self._rest = b""

    def cut(self, part: bytes) -> Iterator[bytes]:
        """Yield the events that are whole now, each with the empty line that ends it.

        Raises ServiceBroke for one that is larger than it may be.
        """
        text = self._rest + part if self._rest else part
        begin = 0
        while (end := _end_of_event(text, begin)) > 0:
            yield text[begin:end]
            begin = end
        self._rest = text[begin:]
        if len(self._rest) > MOST_BYTES:
            raise ServiceBroke(f"sends an event of more than {MOST_BYTES} bytes")

    @property
    def is_whole(self) -> bool:
        """Whether nothing is left of an event that has begun."""
        return not self._rest.strip()


def _end_of_event(text: bytes, begin: int) -> int:
    """Return where the event that begins there ends, or 0 if it is not whole."""
    end = text.find(b"\n\n", begin) + 2
    if b"\r" in text:
        other = text.find(b"\r\n\r\n", begin) + 4
        return other if other > 3 and (end < 2 or other < end) else end if end > 1 else 0
    return end if end > 1 else 0


def data_of(event: bytes) -> bytes:
    """Return what an event says, which is nothing for a comment."""
    if event.startswith(b"data:") and event.find(b"\n") >= len(event.rstrip()):
        return event[5:].strip()
    lines = [line[5:].strip() for line in event.splitlines() if line.startswith(b"data:")]
    return b"\n".join(lines)


def chunk_of(data: bytes) -> dict[str, Any]:
    """Return what an event's data are.

    Raises Refusal for an error in place of a chunk, and ServiceBroke for what is neither.
    """
    try:
        chunk: dict[str, Any] = _CHUNK.decode(data)
    except UNREADABLE as error:
        raise ServiceBroke(f"sends what is no chunk of OpenAI's API: {error}") from error
    if chunk.get("error"):
        message, status = error_of(data)
        raise Refusal(status or 500, message or "The stream ends with an error that has no message.")
    return chunk


def renamed(event: bytes, data: bytes, model: str | None, wanted: str) -> bytes:
    """Return an event whose chunk names the model as wanted; all else is as it came."""
    if model is None or model == wanted:
        return event
    fields: dict[str, Any] = FIELDS.decode(data)
    fields["model"] = wanted
    said = msgspec.json.encode(fields)
    return event.replace(data, said, 1) if data in event else b"data: %s\n\n" % said  # of several lines
