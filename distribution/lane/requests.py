"""What a body has to be for the lane to know it; what it does not know is none of its business.

The types are as strict as upstream's or stricter, so that mistakes get upstream's answer. What upstream does not know,
such as extensions of vLLM, goes on as it came.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import msgspec
from msgspec import Raw, Struct

from providers.completions.requests import checked_metadata

NULL = b"null"
KEPT_HERE = ("store", "metadata")
"""Parameters of OpenAI's API that say what is kept, which happens here and not at the service."""


class Part(Struct):
    """A part of a message."""

    type: str
    text: str | None = None


Content = str | list[Part]


class System(Struct, tag_field="role", tag="system"):
    """A message."""

    content: Content
    name: str | None = None


class Developer(System, tag_field="role", tag="developer"):
    """A message."""


class User(System, tag_field="role", tag="user"):
    """A message."""


class CalledFunction(Struct):
    """A function as a model has called it."""

    name: str | None = None
    arguments: str | None = None


class ToolCall(Struct):
    """A call of a tool."""

    index: int | None = None
    id: str | None = None
    type: Literal["function"] = "function"
    function: CalledFunction | None = None


class Assistant(Struct, tag_field="role", tag="assistant"):
    """A message."""

    content: Content | None = None
    name: str | None = None
    tool_calls: list[ToolCall] | None = None


class Tool(Struct, tag_field="role", tag="tool"):
    """What a tool has returned."""

    tool_call_id: str
    content: Content


class FunctionName(Struct):
    """Which function."""

    name: str


class OfferedTool(Struct):
    """A tool that the model may call."""

    type: Literal["function"]
    function: FunctionName


class ResponseFormat(Struct):
    """What the answer has to look like."""

    type: str
    json_schema: dict[str, Raw] | None = None


class Request(Struct):
    """What the requests of all three routes have."""

    WITHOUT: ClassVar[tuple[str, ...]] = KEPT_HERE
    """What does not go on to the service."""

    model: str
    stream: bool | None = None
    user: str | None = None

    def is_known(self) -> bool:
        """Whether the lane knows it, beyond the types of its fields."""
        return True

    def dropped(self) -> tuple[str, ...]:
        """Return the parameters that do not go on to the service."""
        return self.WITHOUT


class ChatRequest(Request):
    """A request for a chat completion."""

    messages: list[System | Developer | User | Assistant | Tool] = []
    frequency_penalty: float | None = None
    function_call: str | dict[str, Raw] | None = None
    functions: list[dict[str, Raw]] | None = None
    logit_bias: dict[str, float] | None = None
    logprobs: bool | None = None
    max_completion_tokens: int | None = None
    max_tokens: int | None = None
    n: int | None = None
    parallel_tool_calls: bool | None = None
    presence_penalty: float | None = None
    response_format: ResponseFormat | None = None
    seed: int | None = None
    stop: str | list[str] | None = None
    stream_options: dict[str, Raw] | None = None
    temperature: float | None = None
    tool_choice: Literal["none", "auto", "required"] | OfferedTool | None = None
    tools: list[OfferedTool] | None = None
    top_logprobs: int | None = None
    top_p: float | None = None
    store: bool | None = None
    metadata: dict[str, str] | None = None

    def is_known(self) -> bool:
        """Whether there is what has to be: messages, texts in their parts, tools to choose from, a promised schema."""
        return (
            bool(self.messages)
            and all(_has_texts(message.content) for message in self.messages)
            and (self.tool_choice is None or self.tools is not None)
            and not (self.response_format and _lacks_schema(self.response_format))
            and _is_metadata(self.metadata)
        )

    def dropped(self) -> tuple[str, ...]:
        """Return the parameters that do not go on: of tools that must not be called, a model may call some."""
        if self.tool_choice == "none" or (not self.tools and self.tool_choice is not None):
            return (*self.WITHOUT, "tools", "tool_choice")
        return self.WITHOUT

    @property
    def limits_tokens(self) -> bool:
        """Whether it says how long the answer may be."""
        return self.max_tokens is not None or self.max_completion_tokens is not None


Texts = str | list[str | int | list[int]]
"""A text, several, or the same in tokens."""


class CompletionRequest(Request):
    """A request to complete a text."""

    prompt: Texts | None = None
    best_of: int | None = None
    echo: bool | None = None
    frequency_penalty: float | None = None
    logit_bias: dict[str, float] | None = None
    logprobs: bool | int | None = None
    max_tokens: int | None = None
    n: int | None = None
    presence_penalty: float | None = None
    seed: int | None = None
    stop: str | list[str] | None = None
    stream_options: dict[str, Raw] | None = None
    temperature: float | None = None
    top_p: float | None = None
    suffix: str | None = None

    def is_known(self) -> bool:
        """Whether there is a prompt."""
        return _are_texts(self.prompt)


class EmbeddingsRequest(Request):
    """A request for embeddings."""

    input: Texts | None = None
    encoding_format: str | None = None
    dimensions: int | None = None

    def is_known(self) -> bool:
        """Whether there is an input."""
        return _are_texts(self.input)


class Body[Kind: Request]:
    """A body that the lane knows: what has to be looked at, and all its fields as they came."""

    def __init__(self, request: Kind, fields: dict[str, Raw]) -> None:
        self.request = request
        self._fields = fields

    def to_send(self, model: str, added: Mapping[str, Any] | None = None) -> bytes:
        """Return what the service gets: the model by the service's name for it, `added`, and all else as it came."""
        fields: dict[str, Any] = {name: value for name, value in self._fields.items() if bytes(value) != NULL}
        fields["model"] = model
        for name in self.request.dropped():
            fields.pop(name, None)
        fields.update(added or {})
        return msgspec.json.encode(fields)

    def raw(self, name: str) -> bytes:
        """Return the JSON text of a field that is there."""
        return bytes(self._fields[name])


class Reader[Kind: Request]:
    """Reads the bodies of one route."""

    def __init__(self, kind: type[Kind]) -> None:
        self._request = msgspec.json.Decoder(kind)

    def read(self, body: bytes) -> Body[Kind] | None:
        """Return what a body says, or None if it is not one that the lane knows."""
        try:
            request = self._request.decode(body)
            if not request.is_known():
                return None
            # Of a name that is there twice, both decoders take the last: what was looked at is what goes on.
            return Body(request, _FIELDS.decode(body))
        except msgspec.DecodeError:
            return None


_FIELDS = msgspec.json.Decoder(dict[str, Raw])


def _has_texts(content: Content | None) -> bool:
    return not isinstance(content, list) or all(part.type != "text" or part.text is not None for part in content)


def _lacks_schema(wanted: ResponseFormat) -> bool:
    return wanted.type == "json_schema" and wanted.json_schema is None


def _are_texts(given: Texts | None) -> bool:
    """Whether it is a text, or several of one kind."""
    return isinstance(given, str) or (given is not None and len({type(one) for one in given}) == 1)


def _is_metadata(given: dict[str, str] | None) -> bool:
    try:
        checked_metadata(given)
    except ValueError:
        return False
    return True
