"""What an answer has to be, and what of it is kept and logged. It goes to the client as it came, but for the name of
the model, which is the one that the client has used.
"""

import re
from typing import Any

import msgspec
from msgspec import Raw, Struct

from distribution.lane.connection import Answer
from distribution.lane.failures import UNREADABLE, Refusal, ServiceBroke, error_of

OK = 200
MOST_BYTES = 1 << 28
"""How large an answer may be that is no stream."""
MOST_BYTES_OF_AN_ERROR = 1 << 20
PASSED_ON = (b"retry-after", b"retry-after-ms")
"""Headers of a refusal that its client gets."""
_TIME = re.compile(rb"[\w ,:.+-]{1,64}", re.ASCII)
"""What they may be: seconds, or a date."""


class Usage(Struct):
    """How many tokens there were, as far as the service says."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None


def usage_of(said: Any) -> Usage | None:
    """Return what a service says of its tokens, decoded; None for what makes no sense, which goes on all the same."""
    try:
        return msgspec.convert(said, Usage | None)
    except msgspec.ValidationError:
        return None


class ChatAnswer(Struct):
    """A chat completion, or a completion of a text."""

    id: str
    created: int
    model: str
    choices: list[Raw]
    usage: Usage | None = None
    service_tier: str | None = None
    system_fingerprint: str | None = None


class EmbeddingsAnswer(Struct):
    """Embeddings."""

    model: str
    data: list[Raw]
    usage: Usage | None = None


FIELDS = msgspec.json.Decoder(dict[str, Raw])
"""Reads the fields of an object and leaves their values as they are."""


class AnswerReader[Kind: (ChatAnswer, EmbeddingsAnswer)]:
    """Reads the answers of one route."""

    def __init__(self, kind: type[Kind]) -> None:
        self._decoder: msgspec.json.Decoder[Kind] = msgspec.json.Decoder(kind)

    def read(self, body: bytes) -> Kind:
        """Return what an answer says; raises ServiceBroke if it is none."""
        try:
            answer = self._decoder.decode(body)
            if not body.isascii():
                body.decode()  # decoding leaves out what goes on as it came
        except UNREADABLE as error:
            raise ServiceBroke(f"answers what is no answer of OpenAI's API: {_kind(body) or error}") from error
        if isinstance(answer, ChatAnswer) and not answer.choices:
            raise ServiceBroke("answers without choices")
        return answer


def _kind(body: bytes) -> str:
    start = body.lstrip()[:1]
    return "" if start in (b"{", b"[") else "a page of HTML" if start == b"<" else "no JSON"


def renamed(body: bytes, model: str, wanted: str, fields: dict[str, Any]) -> bytes:
    """Return a body whose field `model` says what is wanted; all other fields are as they came."""
    return body if model == wanted else msgspec.json.encode({**fields, "model": wanted})


async def refusal(answer: Answer, place: str) -> Refusal | ServiceBroke:
    """Return what an answer with a status other than 200 comes to, of a service at a place."""
    if answer.status < 400:
        answer.abandon()
        other = answer.headers.get(b"location", b"").decode("ascii", "replace")
        return ServiceBroke(f"answers {answer.status}" + (f" and sends everybody to {other}" if other else ""))
    body = await answer.whole(MOST_BYTES_OF_AN_ERROR)
    headers = {
        name.decode(): answer.headers[name].decode()
        for name in PASSED_ON
        if _TIME.fullmatch(answer.headers.get(name, b""))
    }
    return Refusal(answer.status, _message(answer.status, body, place), headers)


def _message(status: int, body: bytes, place: str) -> str:
    if body.lstrip()[:1] == b"<":
        return f"{place} answers {status} with a page of HTML"
    return error_of(body)[0] or f"{place} answers {status}"
