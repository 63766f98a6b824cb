"""Responses of the agents provider with real stores and an inference API of the test's own."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from llama_stack.apis.agents.openai_responses import OpenAIResponseInputToolFileSearch
from llama_stack.apis.common.errors import ModelNotFoundError
from llama_stack.apis.datatypes import Api
from llama_stack.core.storage.datatypes import SqliteKVStoreConfig, SqliteSqlStoreConfig
from llama_stack.providers.inline.agents.meta_reference.config import MetaReferenceAgentsImplConfig
from llama_stack.providers.utils.kvstore import kvstore
from llama_stack.providers.utils.sqlstore import sqlstore
from openai.types.chat import ChatCompletionChunk

from providers.agents import get_provider_impl
from providers.agents.missing_api import MissingApi
from providers.agents.provider import AgentsProvider
from providers.agents.responses import TERMINAL


class Inference:
    """Answers "Hello", unless it has an error to raise."""

    def __init__(self, error: Exception | None = None) -> None:
        self._error = error

    async def _get_model_provider(self, model: str, _model_type: str) -> None:
        if model != "m":
            raise ModelNotFoundError(model)

    async def openai_chat_completion(self, _params: Any) -> AsyncIterator[ChatCompletionChunk]:
        """Answer in a chat."""
        if self._error:
            raise self._error
        return self._chunks()

    async def _chunks(self) -> AsyncIterator[ChatCompletionChunk]:
        for delta, reason in (({"role": "assistant", "content": "Hello"}, None), ({}, "stop")):
            choice = {"index": 0, "delta": delta, "finish_reason": reason}
            fields = {"id": "1", "created": 1, "model": "m", "choices": [choice], "object": "chat.completion.chunk"}
            yield ChatCompletionChunk.model_validate(fields)


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where both backends are, as if a run config had them."""
    key_values = {"kv_default": SqliteKVStoreConfig(db_path=str(tmp_path / "kv.db"))}
    rows = {"sql_default": SqliteSqlStoreConfig(db_path=str(tmp_path / "sql.db"))}
    monkeypatch.setattr(kvstore, "_KVSTORE_BACKENDS", key_values)
    monkeypatch.setattr(sqlstore, "_SQLSTORE_BACKENDS", rows)
    return tmp_path


def run[T](use: Callable[[AgentsProvider], Awaitable[T]], error: Exception | None = None) -> T:
    """Do something with a provider that has the APIs it cannot do without."""
    config = MetaReferenceAgentsImplConfig.model_validate(MetaReferenceAgentsImplConfig.sample_run_config("unused"))

    async def with_provider() -> T:
        apis = {Api.inference: Inference(error), Api.conversations: MissingApi(Api.conversations)}
        provider = await get_provider_impl(config, apis, policy=[])
        try:
            return await use(provider)
        finally:
            await provider.shutdown()

    return asyncio.run(with_provider())


@pytest.mark.usefixtures("paths")
def test_the_last_event_comes_once_the_response_is_stored() -> None:
    async def use(provider: AgentsProvider) -> list[str]:
        seen = []
        events: Any = await provider.create_openai_response("Hi", "m", stream=True)
        async for event in events:
            seen.append(event.type)
            if event.type in TERMINAL:
                stored = await provider.get_openai_response(event.response.id)
                assert stored.output == event.response.output
        return seen

    seen = run(use)
    assert seen[0] == "response.created"
    assert [event for event in seen if event in TERMINAL] == seen[-1:] == ["response.completed"]


@pytest.mark.usefixtures("paths")
@pytest.mark.parametrize(
    "error", [ConnectionError("vLLM cannot be reached"), ValueError("too long"), RuntimeError("?")]
)
def test_an_error_of_the_inference_provider_is_raised_as_it_is(error: Exception) -> None:
    async def use(provider: AgentsProvider) -> None:
        await provider.create_openai_response("Hi", "m")

    with pytest.raises(type(error)) as raised:
        run(use, error)
    assert raised.value is error


@pytest.mark.usefixtures("paths")
def test_a_stream_ends_with_the_failure() -> None:
    async def use(provider: AgentsProvider) -> list[Any]:
        events: Any = await provider.create_openai_response("Hi", "m", stream=True)
        return [event async for event in events]

    *_, last = run(use, ValueError("too long"))
    assert last.type == "response.failed"
    assert "too long" in last.response.error.message


@pytest.mark.usefixtures("paths")
def test_a_model_that_is_not_there_is_refused_before_a_stream_begins() -> None:
    async def use(provider: AgentsProvider) -> None:
        await provider.create_openai_response("Hi", "none", stream=True)

    with pytest.raises(ModelNotFoundError):
        run(use)


@pytest.mark.usefixtures("paths")
def test_an_api_that_is_missing_is_named_when_a_tool_needs_it() -> None:
    async def use(provider: AgentsProvider) -> None:
        tool = OpenAIResponseInputToolFileSearch(vector_store_ids=["vs_1"])
        await provider.create_openai_response("Hi", "m", tools=[tool])

    with pytest.raises(ValueError, match="this needs the API tool_groups"):
        run(use)


def test_health_is_that_of_both_stores(paths: Path) -> None:
    async def use(provider: AgentsProvider) -> tuple[Any, Any]:
        before = await provider.health()
        provider.responses_store.sql_store = None
        return before, await provider.health()

    before, after = run(use)
    assert before == {"status": "OK"}
    assert after["status"] == "Error"
    assert {path.name for path in paths.iterdir()} >= {"kv.db", "sql.db"}
