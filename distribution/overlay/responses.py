"""Responses: what a response has said may be its next input, and they are stored on PostgreSQL too."""

from collections.abc import Awaitable, Callable
from typing import Any

from distribution.overlay.declaration import change


@change(
    "llama_stack.providers.inline.agents.meta_reference.responses.openai_responses:"
    "convert_response_input_to_chat_messages",
    takes=("input", "previous_messages"),
    why="A web search or file search call in the input, such as the output of the last response, is a 500.",
    fixed_in="0.4.0",
)
def convert_response_input_to_chat_messages(convert: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    from llama_stack.apis.agents.openai_responses import (
        OpenAIResponseOutputMessageFileSearchToolCall,
        OpenAIResponseOutputMessageWebSearchToolCall,
    )

    searches = (OpenAIResponseOutputMessageFileSearchToolCall, OpenAIResponseOutputMessageWebSearchToolCall)

    async def convert_response_input_to_chat_messages(input: Any, previous_messages: Any = None) -> Any:
        if isinstance(input, list):
            input = [item for item in input if not isinstance(item, searches)]
        return await convert(input, previous_messages)

    return convert_response_input_to_chat_messages


@change(
    "llama_stack.providers.utils.responses.responses_store:ResponsesStore.enable_write_queue",
    adds=True,
    why="Upstream reads this setting and makes it for SQLite only: agents do not start on PostgreSQL.",
    reference="llamastack/llama-stack#4264",
    fixed_in="0.3.4",
)
def without_write_queue(original: None) -> property:
    return property(lambda self: False, lambda self, wanted: None)
