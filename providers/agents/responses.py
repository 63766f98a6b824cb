"""llama-stack's Responses, which keep the inference provider's errors and store before they say so.

What is not to be stored leaves no trace in a conversation either.
"""

import copy
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

from llama_stack.log import get_logger
from llama_stack.providers.inline.agents.meta_reference.responses.openai_responses import OpenAIResponsesImpl

from providers.agents.inference import forget_failure, last_failure
from providers.agents.request_checks import checked, require_messages

log = get_logger(name=__name__, category="agents")

# What a request without items of its own may consist of: the parameters after input and model, in their order.
OTHER_INPUT = ("instructions", "previous_response_id", "conversation")
TERMINAL = ("response.completed", "response.incomplete")


class Responses(OpenAIResponsesImpl):
    """Responses for the agents provider."""

    _stores = True

    async def create_openai_response(self, input: Any, model: str, *arguments: Any, **options: Any) -> Any:
        """Create a response; raises what the inference provider has raised.

        A model that is not there, or not for the user, is refused before a stream begins.
        """
        forget_failure()
        given = dict(zip(OTHER_INPUT, arguments, strict=False)) | options
        if input == [] and not any(given.get(name) for name in OTHER_INPUT):
            raise ValueError("input has to have at least one item")
        inference: Any = self.inference_api
        await inference.require_model(model)
        try:
            answer = await super().create_openai_response(input, model, *arguments, **options)
        except RuntimeError as error:
            raise last_failure() or error from None
        return _failures_logged(answer) if hasattr(answer, "__aiter__") else answer

    async def _create_streaming_response(self, *arguments: Any, **options: Any) -> AsyncIterator[Any]:
        """Stream a response; the last event comes when the response and its conversation have been stored.

        Upstream stores them once the client asks for more, which finds nothing if it asks somewhere else.
        """
        options = checked(options)
        last = None
        here = copy.copy(self)
        here._stores = options.get("store") is not False
        async for event in super(Responses, here)._create_streaming_response(*arguments, **options):
            if event.type in TERMINAL:
                last = event
            else:
                yield event
        if last is not None:
            yield last

    async def _sync_response_to_conversation(self, *arguments: Any) -> None:
        """Add a response to its conversation, unless the request says not to store it."""
        if self._stores:
            await super()._sync_response_to_conversation(*arguments)

    async def _process_input_with_previous_response(self, *arguments: Any, **options: Any) -> Any:
        """Return what is stored as the input, the messages for the model, and the tools."""
        processed = await super()._process_input_with_previous_response(*arguments, **options)
        require_messages(processed[1])
        return processed


async def _failures_logged(events: Any) -> AsyncIterator[Any]:
    """Stream events; a failure, which is one of them and raises nothing, is in the log too."""
    async with aclosing(events):
        async for event in events:
            if event.type == "response.failed" and event.response.error:
                log.warning(f"A response failed: {event.response.error.message}")
            yield event
