"""The line of a request in the log: upstream's own routes say which model was asked, and how many tokens it took."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from distribution.overlay.declaration import change
from providers.request_facts import RequestFacts, current

AsyncFunction = Callable[..., Awaitable[Any]]
WHY = "Nothing in the log says which model a request has asked, and what it has taken."
ROUTER = "llama_stack.core.routers.inference:InferenceRouter"


@change(f"{ROUTER}.openai_embeddings", takes=("self", "params"), why=WHY)
@change(f"{ROUTER}.openai_completion", takes=("self", "params"), why=WHY)
@change(f"{ROUTER}.openai_chat_completion", takes=("self", "params"), why=WHY)
def ask_a_model(ask: AsyncFunction) -> AsyncFunction:
    async def noting(self: Any, params: Any) -> Any:
        facts = current.get()
        if facts is None:
            return await ask(self, params)
        facts.model = str(params.model)
        answer = await ask(self, params)
        if hasattr(answer, "__aiter__"):
            return _counted(answer, facts)
        _count(answer, facts)
        return answer

    return noting


async def _counted(stream: Any, facts: RequestFacts) -> AsyncIterator[Any]:
    try:
        async for chunk in stream:
            _count(chunk, facts)
            yield chunk
    finally:
        if close := getattr(stream, "aclose", None) or getattr(stream, "close", None):  # OpenAI's has the second
            await close()


def _count(answer: Any, facts: RequestFacts) -> None:
    """Add what an answer, or the last chunk of one, says of its tokens: a response may ask its model several times."""
    usage = getattr(answer, "usage", None)
    if usage is None:
        return
    facts.input_tokens = (facts.input_tokens or 0) + (getattr(usage, "prompt_tokens", None) or 0)
    if (written := getattr(usage, "completion_tokens", None)) is not None:
        facts.output_tokens = (facts.output_tokens or 0) + written
