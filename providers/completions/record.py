"""A chat completion as it is stored."""

from collections.abc import Mapping
from dataclasses import dataclass


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
