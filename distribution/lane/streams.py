"""What a stream has to be: events, each handed on when it is whole, and what they come to."""

from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import Raw, Struct

from distribution.lane.answers import FIELDS, Usage
from distribution.lane.failures import Refusal, ServiceBroke, error_of

DONE = b"[DONE]"
MOST_BYTES = 1 << 24
"""How large an event may be, and what is kept of a stream."""


class Function(Struct):
    """A part of a function's call."""

    name: str | None = None
    arguments: str | None = None


class ToolCall(Struct):
    """A part of a tool's call."""

    index: int | None = None
    id: str | None = None
    type: str | None = None
    function: Function | None = None


class Delta(Struct):
    """A part of a message."""

    content: str | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    tool_calls: list[ToolCall] | None = None


class LogProbs(Struct):
    """Log probabilities of the tokens of a part."""

    content: list[Raw] | None = None


class Choice(Struct):
    """A part of one of the answers."""

    index: int = 0
    delta: Delta | None = None
    finish_reason: str | None = None
    logprobs: LogProbs | None = None


class Chunk(Struct):
    """An event of a stream."""

    id: str | None = None
    created: int | None = None
    model: str | None = None
    choices: list[Choice] = []
    usage: Usage | None = None
    error: Raw | None = None
    service_tier: str | None = None
    system_fingerprint: str | None = None


_CHUNK = msgspec.json.Decoder(Chunk)


class Events:
    """Cuts what comes in into whole events; what is no event yet waits here for the rest."""

    def __init__(self) -> None:
        self._rest = b""

    def cut(self, part: bytes) -> Iterator[bytes]:
        """Yield the events that are whole now, each with the empty line that ends it.

        Raises ServiceBroke for one that is larger than it may be.
        """
        rest = self._rest + part if self._rest else part
        while True:
            end = rest.find(b"\n\n")
            length = 2
            if b"\r" in rest and (other := rest.find(b"\r\n\r\n")) >= 0 and (end < 0 or other < end):
                end, length = other, 4
            if end < 0:
                break
            yield rest[: end + length]
            rest = rest[end + length :]
        if len(rest) > MOST_BYTES:
            raise ServiceBroke(f"sends an event of more than {MOST_BYTES} bytes")
        self._rest = rest

    @property
    def is_whole(self) -> bool:
        """Whether nothing is left of an event that has begun."""
        return not self._rest.strip()


def data_of(event: bytes) -> bytes:
    """Return what an event says, which is nothing for a comment."""
    if event.startswith(b"data:") and event.find(b"\n") >= len(event.rstrip()):
        return event[5:].strip()
    lines = [line[5:].strip() for line in event.splitlines() if line.startswith(b"data:")]
    return b"\n".join(lines)


def chunk_of(data: bytes) -> Chunk:
    """Return what an event's data are.

    Raises Refusal for an error in place of a chunk, and ServiceBroke for what is neither.
    """
    try:
        chunk = _CHUNK.decode(data)
    except msgspec.DecodeError as error:
        raise ServiceBroke(f"sends what is no chunk of OpenAI's API: {error}") from error
    if chunk.error is not None and bytes(chunk.error) != b"null":
        message, status = error_of(data)
        raise Refusal(status or 500, message)
    return chunk


def renamed(event: bytes, data: bytes, chunk: Chunk, wanted: str) -> bytes:
    """Return an event whose chunk names the model as wanted; all else is as it came."""
    if chunk.model is None or chunk.model == wanted:
        return event
    fields: dict[str, Any] = FIELDS.decode(data)
    fields["model"] = wanted
    return event.replace(data, msgspec.json.encode(fields), 1)


class Assembled:
    """What the chunks of one stream come to."""

    def __init__(self) -> None:
        self.id = ""
        self.created = 0
        self.usage: Usage | None = None
        self.usage_text: bytes | None = None
        self.service_tier: str | None = None
        self.system_fingerprint: str | None = None
        self.size = 0
        """In bytes, of the chunks so far."""
        self._choices: dict[int, _Message] = {}

    def add(self, chunk: Chunk, data: bytes) -> None:
        """Take in the next chunk."""
        self.size += len(data)
        self.id = self.id or chunk.id or ""
        self.created = self.created or chunk.created or 0
        self.service_tier = chunk.service_tier or self.service_tier
        self.system_fingerprint = chunk.system_fingerprint or self.system_fingerprint
        if chunk.usage is not None:
            self.usage = chunk.usage
            self.usage_text = bytes(FIELDS.decode(data)["usage"])
        for choice in chunk.choices:
            if choice.index not in self._choices:
                self._choices[choice.index] = _Message()
            self._choices[choice.index].add(choice)

    def choices(self) -> bytes:
        """Return the choices of the completion, as JSON."""
        return msgspec.json.encode([message.choice(index) for index, message in sorted(self._choices.items())])


class _Message:
    """One of the answers."""

    def __init__(self) -> None:
        self._texts: dict[str, list[str]] = {"content": [], "refusal": [], "reasoning_content": [], "reasoning": []}
        self._calls: dict[int, _Call] = {}
        self._finish_reason = "stop"
        self._logprobs: list[Raw] = []

    def add(self, choice: Choice) -> None:
        if (delta := choice.delta) is not None:
            for name, parts in self._texts.items():
                if text := getattr(delta, name):
                    parts.append(text)
            for position, call in enumerate(delta.tool_calls or ()):
                index = position if call.index is None else call.index
                self._calls.setdefault(index, _Call()).add(call)
        self._finish_reason = choice.finish_reason or self._finish_reason
        if choice.logprobs is not None:
            self._logprobs += [token.copy() for token in choice.logprobs.content or ()]

    def choice(self, index: int) -> dict[str, Any]:
        texts = {name: "".join(parts) for name, parts in self._texts.items() if parts}
        message: dict[str, Any] = {"role": "assistant", "content": texts.pop("content", None), **texts}
        if calls := [call.whole() for call in self._calls.values() if call.id]:
            message["tool_calls"] = calls
        logprobs = {"content": self._logprobs} if self._logprobs else None
        return {"index": index, "message": message, "finish_reason": self._finish_reason, "logprobs": logprobs}


class _Call:
    """A call of a tool."""

    def __init__(self) -> None:
        self.id = ""
        self._type = "function"
        self._name: list[str] = []
        self._arguments: list[str] = []

    def add(self, part: ToolCall) -> None:
        self.id = part.id or self.id
        self._type = part.type or self._type
        if part.function is not None:
            self._name.append(part.function.name or "")
            self._arguments.append(part.function.arguments or "")

    def whole(self) -> dict[str, Any]:
        function = {"name": "".join(self._name), "arguments": "".join(self._arguments)}
        return {"id": self.id, "type": self._type, "function": function}
