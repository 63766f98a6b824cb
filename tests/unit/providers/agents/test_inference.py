"""What agents get of the inference API, and what is known of its errors."""

import asyncio
from collections.abc import AsyncIterator, Callable
from types import SimpleNamespace
from typing import Any

import pytest
from llama_stack.apis.inference import OpenAIChatCompletionRequestWithExtraBody

from providers.agents.inference import AgentsInference, forget_failure, last_failure


class Inference:
    """An inference API whose answers are two chunks, or what a test wants to go wrong."""

    def __init__(self, at_once: Exception | None = None, midway: Exception | None = None) -> None:
        self.asked: list[Any] = []
        self._at_once = at_once
        self._midway = midway

    async def openai_chat_completion(self, params: Any) -> AsyncIterator[str]:
        """Answer in a chat."""
        self.asked.append(params)
        if self._at_once:
            raise self._at_once
        return self._chunks()

    async def _chunks(self) -> AsyncIterator[str]:
        yield "one"
        if self._midway:
            raise self._midway
        yield "two"


def request(max_tokens: int | None = None) -> OpenAIChatCompletionRequestWithExtraBody:
    """A chat request."""
    fields = {"model": "m", "messages": [{"role": "user", "content": "Hello"}], "max_tokens": max_tokens}
    return OpenAIChatCompletionRequestWithExtraBody.model_validate(fields)


async def answer(inference: Inference, max_tokens: int | None = None) -> list[str]:
    """The chunks of an answer."""
    chunks = await AgentsInference(inference).openai_chat_completion(request(max_tokens))
    return [chunk async for chunk in chunks]


@pytest.mark.parametrize(("asked_for", "passed_on"), [(None, None), (0, None), (1, 1)])
def test_no_limit_is_what_upstream_writes_as_zero(asked_for: int | None, passed_on: int | None) -> None:
    inference, asked = Inference(), request(asked_for)

    async def use() -> None:
        await AgentsInference(inference).openai_chat_completion(asked)

    asyncio.run(use())
    assert [params.max_tokens for params in inference.asked] == [passed_on]
    assert asked.max_tokens == asked_for


ERROR = ConnectionError("vLLM cannot be reached")


@pytest.mark.parametrize("make", [lambda: Inference(at_once=ERROR), lambda: Inference(midway=ERROR)])
def test_what_a_chat_completion_raises_is_known_afterwards(make: Callable[[], Inference]) -> None:
    async def use() -> None:
        with pytest.raises(ConnectionError):
            await answer(make())
        assert last_failure() is ERROR
        forget_failure()
        assert last_failure() is None

    asyncio.run(use())


def test_an_answer_without_an_error_leaves_none() -> None:
    async def use() -> None:
        forget_failure()
        assert await answer(Inference()) == ["one", "two"]
        assert last_failure() is None

    asyncio.run(use())


def test_requests_do_not_see_each_others_errors() -> None:
    async def use() -> list[BaseException | None]:
        async def fail(error: Exception) -> BaseException | None:
            forget_failure()
            with pytest.raises(type(error)):
                await answer(Inference(midway=error))
            await asyncio.sleep(0)
            return last_failure()

        return list(await asyncio.gather(*(fail(error) for error in errors)))

    errors: list[Exception] = [KeyError("a"), ValueError("b"), OSError("c")]
    assert asyncio.run(use()) == errors


def test_everything_else_is_the_inference_apis_own() -> None:
    inference = SimpleNamespace(openai_embeddings="embeddings")

    assert AgentsInference(inference).openai_embeddings == "embeddings"
    with pytest.raises(AttributeError):
        _ = AgentsInference(inference).absent
