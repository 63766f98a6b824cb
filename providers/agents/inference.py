"""The inference API as agents need it."""

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from llama_stack.apis.models import ModelType

_failure: ContextVar[Exception | None] = ContextVar("failure", default=None)


class AgentsInference:
    """Passes everything on to the inference API; keeps in mind what chat completions raise.

    Agents make a message of such an error, from which nobody can tell whose fault it was.
    """

    def __init__(self, inference: Any) -> None:
        self._inference = inference

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inference, name)

    async def require_model(self, model: str) -> None:
        """Raise what a chat completion raises for a model that is not there, or not for the user."""
        await self._inference._get_model_provider(model, ModelType.llm)

    async def openai_chat_completion(self, params: Any) -> AsyncIterator[Any]:
        """Stream an answer, without a limit if that is 0: upstream says so when nobody has said anything."""
        if params.max_tokens == 0:
            params = params.model_copy(update={"max_tokens": None})
        with _failures_recorded():
            return _recording_failures(await self._inference.openai_chat_completion(params))


def forget_failure() -> None:
    """Begin anew, for this request."""
    _failure.set(None)


def last_failure() -> Exception | None:
    """What a chat completion has last raised in this request."""
    return _failure.get()


async def _recording_failures(chunks: AsyncIterator[Any]) -> AsyncIterator[Any]:
    with _failures_recorded():
        async for chunk in chunks:
            yield chunk


@contextmanager
def _failures_recorded() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        _failure.set(error)
        raise
