"""A chat completion as it is stored."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic_core import to_json


@dataclass(frozen=True, slots=True)
class StoredCompletion:
    """What is kept of an answer and of its request: JSON texts as they came, in UTF-8."""

    id: str
    created: int
    """In seconds since 1970, as the model's server says."""
    model: str
    """As the request names it."""
    choices: bytes
    """The answer's, an array; of a stream, what its chunks come to."""
    messages: bytes
    """The request's, an array."""
    usage: bytes | None = None
    """The answer's, an object."""
    metadata: Mapping[str, str] | None = None
    """The request's, as `checked_metadata` returns it."""
    service_tier: str | None = None
    system_fingerprint: str | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """What is kept of a request."""

    model: str
    messages: bytes
    metadata: dict[str, str] | None

    def answered(self, answer: Mapping[str, Any]) -> StoredCompletion:
        """Return it with its answer; raises ValueError for an answer that cannot be found again."""
        if not answer.get("id"):
            raise ValueError("the model's server gave it no id")
        return StoredCompletion(
            id=answer["id"],
            created=answer.get("created") or 0,
            model=self.model,
            choices=as_json(answer["choices"]),
            messages=self.messages,
            usage=as_json(answer["usage"]) if answer.get("usage") else None,
            metadata=self.metadata,
            service_tier=answer.get("service_tier"),
            system_fingerprint=answer.get("system_fingerprint"),
        )


def as_json(value: Any) -> bytes:
    """Return JSON; bytes are such already."""
    return value if isinstance(value, bytes) else to_json(value, inf_nan_mode="null")
