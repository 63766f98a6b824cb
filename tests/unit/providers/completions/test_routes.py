"""A stream is passed on as it comes, and its last part once the completion is stored."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from llama_stack.apis.inference import OpenAIChatCompletionRequestWithExtraBody, OpenAIUserMessageParam
from openai.types.chat import ChatCompletionChunk

from providers.completions.routes import MOST_HELD, CompletionRoutes
from providers.completions.store import CompletionsStore
from tests.unit.providers.completions.conftest import Place, listed

Chunks = AsyncGenerator[ChatCompletionChunk]


def chunk(content: str | None = None, finish_reason: str | None = None, index: int = 0) -> ChatCompletionChunk:
    """A chunk of one choice."""
    choice = {"index": index, "delta": {"content": content} if content else {}, "finish_reason": finish_reason}
    head = {"id": "c-1", "created": 5, "model": "m", "object": "chat.completion.chunk"}
    return ChatCompletionChunk.model_validate({**head, "choices": [choice]})


class Upstream:
    """A router whose models say what a test wants."""

    chunks: Chunks

    def __init__(self, routing_table: Any, telemetry: Any, store: None) -> None:
        assert store is None

    async def openai_chat_completion(self, params: Any) -> Chunks:
        """Stream."""
        return self.chunks


class Router(CompletionRoutes, Upstream):
    """As the routes are used."""


async def stream(store: CompletionsStore, chunks: Chunks, n: int | None = None) -> tuple[Router, Chunks]:
    """Ask for a stream; the router and what it streams."""
    router = Router(None, store=store)
    router.chunks = chunks
    message = OpenAIUserMessageParam(role="user", content="Hello")
    asked = OpenAIChatCompletionRequestWithExtraBody(model="vllm/m", messages=[message], stream=True, n=n)
    return router, await router.create_chat_completion(asked)


async def content(store: CompletionsStore) -> str:
    """What is stored as the answer."""
    return str((await store.get("c-1"))["choices"][0]["message"]["content"])


def test_each_chunk_is_passed_on_before_the_next_one_comes(place: Place) -> None:
    async def work(store: CompletionsStore) -> None:
        passed = 0

        async def chunks() -> Chunks:
            for number in range(3):
                assert passed == number
                yield chunk(str(number))
            yield chunk(finish_reason="stop")

        async for one in (await stream(store, chunks()))[1]:
            if one.choices[0].finish_reason:
                assert await content(store) == "012"
            passed += 1
        assert passed == 4

    place.run(work)


def test_the_end_is_that_of_all_choices(place: Place) -> None:
    async def work(store: CompletionsStore) -> None:
        async def chunks() -> Chunks:
            yield chunk("a", index=0)
            yield chunk(finish_reason="stop", index=0)
            yield chunk("b", index=1)
            yield chunk(finish_reason="stop", index=1)

        seen = []
        async for one in (await stream(store, chunks(), n=2))[1]:
            seen.append((one.choices[0].index, one.choices[0].finish_reason, (await listed(store))[0]))
        assert seen == [(0, None, []), (0, "stop", []), (1, None, []), (1, "stop", ["c-1"])]

    place.run(work)


def test_what_ends_with_an_error_is_no_completion(place: Place) -> None:
    async def work(store: CompletionsStore) -> None:
        async def chunks() -> Chunks:
            yield chunk("a")
            raise ConnectionError("the model has gone")

        seen = []
        with pytest.raises(ConnectionError, match="the model has gone"):
            async for one in (await stream(store, chunks()))[1]:
                seen.append(one.choices[0].delta.content)
        assert seen == ["a"]
        assert await listed(store) == ([], False)

    place.run(work)


def test_an_error_after_the_end_comes_after_it(place: Place) -> None:
    async def work(store: CompletionsStore) -> None:
        async def chunks() -> Chunks:
            yield chunk("a")
            yield chunk(finish_reason="stop")
            raise ConnectionError("the model has gone")

        seen = []
        with pytest.raises(ConnectionError, match="the model has gone"):
            async for one in (await stream(store, chunks()))[1]:
                seen.append(one.choices[0].finish_reason)
        assert seen == [None, "stop"]
        assert await content(store) == "a"

    place.run(work)


@pytest.mark.parametrize("taken", [1, 2])
def test_what_a_client_has_left_is_stored_before_the_server_ends(place: Place, taken: int) -> None:
    async def work(store: CompletionsStore) -> None:
        ended = []

        async def chunks() -> Chunks:
            try:
                yield chunk("a")
                yield chunk("b")
                await asyncio.Event().wait()
            finally:
                ended.append(True)

        router, answer = await stream(store, chunks())
        for _ in range(taken):
            await anext(answer)
        await answer.aclose()
        assert ended == [True]
        await router.shutdown()
        assert await content(store) == "ab"[:taken]

    place.run(work)


def test_a_task_that_is_cancelled_while_it_waits_stores_what_came(place: Place) -> None:
    async def work(store: CompletionsStore) -> None:
        waits = asyncio.Event()

        async def chunks() -> Chunks:
            yield chunk("a")
            waits.set()
            await asyncio.Event().wait()

        router, answer = await stream(store, chunks())

        async def read() -> None:
            async for _ in answer:
                pass

        task = asyncio.create_task(read())
        await waits.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await router.shutdown()
        assert await content(store) == "a"

    place.run(work)


def test_a_stream_that_goes_on_after_its_end_is_not_held_back_for_ever(place: Place) -> None:
    async def work(store: CompletionsStore) -> None:
        made = 0

        async def chunks() -> Chunks:
            nonlocal made
            while True:
                made += 1
                yield chunk(finish_reason="stop")

        _, answer = await stream(store, chunks())
        for taken in range(1, 100):
            await anext(answer)
            assert made == taken + MOST_HELD
        await answer.aclose()

    place.run(work)


def test_an_answer_without_an_id_is_given_and_said_to_be_lost(place: Place) -> None:
    async def work(store: CompletionsStore) -> None:
        async def chunks() -> Chunks:
            yield chunk("a").model_copy(update={"id": ""})
            yield chunk(finish_reason="stop").model_copy(update={"id": ""})

        assert len([one async for one in (await stream(store, chunks()))[1]]) == 2
        assert "Lost so far: 1." in str(store.losses.told())

    place.run(work)
