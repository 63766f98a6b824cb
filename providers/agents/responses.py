"""llama-stack's Responses, which keep the inference provider's errors and store before they say so."""

from collections.abc import AsyncIterator
from typing import Any

from llama_stack.providers.inline.agents.meta_reference.responses.openai_responses import OpenAIResponsesImpl

from providers.agents.inference import forget_failure, last_failure

# What a request without items of its own may consist of.
OTHER_INPUT = ("instructions", "previous_response_id", "conversation")
PARAMETERS = ("input", "model", *OTHER_INPUT)
TERMINAL = ("response.completed", "response.incomplete")


class Responses(OpenAIResponsesImpl):
    """Responses for the agents provider."""

    async def create_openai_response(self, *arguments: Any, **options: Any) -> Any:
        """Create a response; raises what the inference provider has raised."""
        forget_failure()
        given = dict(zip(PARAMETERS, arguments, strict=False)) | options
        if given.get("input") == [] and not any(given.get(name) for name in OTHER_INPUT):
            raise ValueError("input has to have at least one item")
        try:
            return await super().create_openai_response(*arguments, **options)
        except RuntimeError as error:
            raise last_failure() or error from None

    async def _create_streaming_response(self, *arguments: Any, **options: Any) -> AsyncIterator[Any]:
        """Stream a response; the last event comes when the response and its conversation have been stored.

        Upstream stores them once the client asks for more, which finds nothing if it asks somewhere else.
        """
        last = None
        async for event in super()._create_streaming_response(*arguments, **options):
            if event.type in TERMINAL:
                last = event
            else:
                yield event
        if last is not None:
            yield last
