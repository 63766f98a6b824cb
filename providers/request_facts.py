"""What is known of the request at hand: its id, and what its line in the log says of the model."""

from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(slots=True)
class RequestFacts:
    """Facts of one request; whoever answers it fills in what it knows, until the answer has ended."""

    request_id: str
    """The `x-request-id` of the answer: the request's own, or made for it."""
    model: str = ""
    """The model as the request names it; empty where no model is asked."""
    input_tokens: int | None = None
    """What the backend says that it has read; None where it says nothing."""
    output_tokens: int | None = None
    """What the backend says that it has written."""
    has_line: bool = True
    """Whether the log has a line of it. Requests that are refused by the thousand are counted in lines of their own."""


current: ContextVar[RequestFacts | None] = ContextVar("request_facts", default=None)
"""The facts of the request that this code serves; None outside of one. Tasks that a request starts have its facts."""
