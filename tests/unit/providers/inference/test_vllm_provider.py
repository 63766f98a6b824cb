"""What the vLLM provider asks for, and what it makes of the answers."""

import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import pytest
from llama_stack.apis.inference import OpenAIChatCompletionRequestWithExtraBody
from llama_stack.apis.models import Model, ModelType
from llama_stack.core.request_headers import request_provider_data_context
from llama_stack.core.store.registry import DiskDistributionRegistry
from llama_stack.providers.utils.inference.openai_mixin import OpenAIMixin
from pydantic import ValidationError

from providers.inference.vllm.config import EmbeddingModel, VLLMConfig
from providers.inference.vllm.errors import VLLMError
from tests.support.process import LOOPBACK, free_port
from tests.unit.providers.inference.conftest import PROVIDER_ID, ScriptedVllm, run

EMBEDDING_MODELS = {"embedding": {"embedding_dimension": 384}}
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}


def request(**options: Any) -> OpenAIChatCompletionRequestWithExtraBody:
    """A chat request."""
    fields = {"model": "chat", "messages": [{"role": "user", "content": "Hello"}]}
    return OpenAIChatCompletionRequestWithExtraBody.model_validate(fields | options)


def chat(vllm: ScriptedVllm, config: dict[str, Any] | None = None, **options: Any) -> Any:
    """Send a chat request, and read the answer to its end."""

    async def use(provider: Any) -> Any:
        answer = await provider.openai_chat_completion(request(**options))
        return [chunk async for chunk in answer] if options.get("stream") else answer

    return run(vllm.url, None, use, **(config or {}))


@pytest.mark.parametrize(
    ("options", "config", "limits"),
    [
        ({}, {"max_tokens": 500}, [500]),
        ({"max_tokens": 7}, {"max_tokens": 500}, [7]),
        ({"max_completion_tokens": 7}, {"max_tokens": 500}, [None]),
        ({}, {"max_tokens": 0}, [None]),
        ({}, {}, [4096, None]),
        ({}, {"max_tokens": 1001}, [1001, None]),
    ],
    ids=["as configured", "as asked for", "as asked for anew", "no limit", "no room for the default", "no room"],
)
def test_a_chat_request_without_a_limit_gets_one_if_there_is_room(
    scripted: ScriptedVllm, options: dict[str, Any], config: dict[str, Any], limits: list[int | None]
) -> None:
    assert chat(scripted, config, **options).choices[0].message.content == "Hello"
    assert [asked.get("max_tokens") for asked in scripted.asked] == limits


def test_a_stream_may_be_a_bare_generator(scripted: ScriptedVllm, monkeypatch: pytest.MonkeyPatch) -> None:
    ended = []

    async def recorded(self: Any, params: Any) -> Any:
        async def chunks() -> AsyncIterator[str]:
            try:
                yield "one"
                yield "two"
            finally:
                ended.append(True)

        return chunks()

    monkeypatch.setattr(OpenAIMixin, "openai_chat_completion", recorded)

    async def first_of(provider: Any) -> Any:
        answer = await provider.openai_chat_completion(request(stream=True))
        async with aclosing(answer):
            return await anext(answer)

    assert chat(scripted, stream=True) == ["one", "two"]
    assert run(scripted.url, None, first_of) == "one"
    assert ended == [True, True]


@pytest.mark.parametrize(("tools", "sent"), [(None, None), ([], None), ([TOOL], "auto")])
def test_a_tool_choice_goes_with_tools(scripted: ScriptedVllm, tools: list[Any] | None, sent: str | None) -> None:
    chat(scripted, {"max_tokens": 1}, tools=tools, tool_choice="auto")

    assert [asked.get("tool_choice") for asked in scripted.asked] == [sent]


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (400, {"error": {"message": "too long", "type": "BadRequestError", "code": 400}}, (400, "too long")),
        (404, {"object": "error", "message": "no such model", "code": 404}, (404, "no such model")),
        (422, {"error": {"message": ["no", "text"]}}, (422, '{"error": {"message": ["no", "text"]}}')),
        (401, {"error": "Unauthorized"}, (401, '{"error": "Unauthorized"}')),
        (413, "<html>too large</html>", (413, "<html>too large</html>")),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_an_error_is_passed_on_in_vllms_words(
    scripted: ScriptedVllm, status: int, body: Any, error: tuple[int, str], stream: bool
) -> None:
    scripted.status, scripted.body = status, body if isinstance(body, str) else json.dumps(body)

    with pytest.raises(VLLMError) as raised:
        chat(scripted, max_tokens=1, stream=stream)
    assert (raised.value.status_code, str(raised.value)) == error


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({"error": {"message": "out of memory", "type": "InternalServerError", "code": 503}}, (503, "out of memory")),
        ({"error": {"message": "out of memory", "code": "internal"}}, (500, "out of memory")),
        ({"error": "out of memory"}, (500, "An error occurred during streaming")),
    ],
)
def test_an_error_in_the_middle_of_a_stream_has_a_status_too(
    scripted: ScriptedVllm, body: Any, error: tuple[int, str]
) -> None:
    scripted.body = f"data: {json.dumps(body)}\n\n"

    with pytest.raises(VLLMError) as raised:
        chat(scripted, max_tokens=1, stream=True)
    assert (raised.value.status_code, str(raised.value)) == error


def test_a_vllm_that_is_down_is_named_without_its_password() -> None:
    place = f"{LOOPBACK}:{free_port()}/v1"

    async def use(provider: Any) -> Any:
        return await provider.health()

    health = run(f"http://user:s3cr3t@{place}", None, use)
    assert health["status"] == "Error"
    assert health["message"].startswith(f"vLLM at http://{place} cannot be reached: ")
    assert "s3cr3t" not in health["message"]


@pytest.mark.parametrize(
    ("status", "expected"),
    [(200, {"status": "OK"}), (503, {"status": "Error", "message": "503: busy"})],
)
def test_health_is_that_of_the_engine(scripted: ScriptedVllm, status: int, expected: dict[str, str]) -> None:
    scripted.status, scripted.body = status, "" if status == 200 else "busy"

    async def use(provider: Any) -> Any:
        return await provider.health()

    assert run(scripted.url, None, use) == expected


def models(provider: Any) -> Any:
    """What the provider lists."""
    return provider.list_models()


@pytest.mark.parametrize(
    ("config", "listed"),
    [
        ({}, {"chat": ModelType.llm, "embedding": ModelType.llm}),
        ({"embedding_models": EMBEDDING_MODELS}, {"chat": ModelType.llm, "embedding": ModelType.embedding}),
        ({"allowed_models": ["chat", "absent"]}, {"chat": ModelType.llm}),
        ({"allowed_models": []}, {}),
        (
            {"allowed_models": [], "embedding_models": {"declared": {"embedding_dimension": 2}}},
            {"declared": ModelType.embedding},
        ),
    ],
)
def test_what_is_listed(
    scripted: ScriptedVllm, registry: DiskDistributionRegistry, config: dict[str, Any], listed: dict[str, ModelType]
) -> None:
    found: list[Model] = run(scripted.url, registry, models, **config)

    assert {model.identifier: model.model_type for model in found} == listed
    assert {model.provider_id for model in found} <= {PROVIDER_ID}


def test_declared_models_are_there_while_vllm_is_not(
    scripted: ScriptedVllm, registry: DiskDistributionRegistry
) -> None:
    scripted.status = 404

    async def use(provider: Any) -> Any:
        with pytest.raises(VLLMError):
            await provider.list_models()
        return await registry.get("model", f"{PROVIDER_ID}/embedding")

    stored: Any = run(scripted.url, registry, use, embedding_models=EMBEDDING_MODELS)
    assert (stored.model_type, stored.metadata) == (ModelType.embedding, {"embedding_dimension": 384})


def test_a_registered_model_is_what_the_config_declares(
    scripted: ScriptedVllm, registry: DiskDistributionRegistry
) -> None:
    model = Model(
        identifier=f"{PROVIDER_ID}/embedding",
        provider_id=PROVIDER_ID,
        provider_resource_id="embedding",
        metadata={"note": "mine", "embedding_dimension": 7},
    )

    async def use(provider: Any) -> Any:
        return await provider.register_model(model)

    registered: Model = run(scripted.url, registry, use, embedding_models=EMBEDDING_MODELS)
    assert registered.model_type == ModelType.embedding
    assert registered.metadata == {"note": "mine", "embedding_dimension": 384}
    assert run(scripted.url, registry, use) == model


def test_a_request_may_bring_its_own_token(scripted: ScriptedVllm) -> None:
    async def use(provider: Any) -> None:
        await provider.openai_chat_completion(request(max_tokens=1))
        with request_provider_data_context({"x-llamastack-provider-data": '{"vllm_api_token": "of-the-request"}'}):
            await provider.openai_chat_completion(request(max_tokens=1))
        await provider.openai_chat_completion(request(max_tokens=1))

    run(scripted.url, None, use, api_token="of-the-config")
    assert scripted.tokens == ["Bearer of-the-config", "Bearer of-the-request", "Bearer of-the-config"]


@pytest.mark.parametrize(
    ("config", "place"),
    [
        ({"max_tokens": -1}, ("max_tokens",)),
        ({"embedding_models": {"e": {}}}, ("embedding_models", "e", "embedding_dimension")),
        ({"embedding_models": {"e": {"embedding_dimension": 0}}}, ("embedding_models", "e", "embedding_dimension")),
        (
            {"embedding_models": {"e": {"embedding_dimension": 1, "dimension": 2}}},
            ("embedding_models", "e", "dimension"),
        ),
    ],
)
def test_a_config_that_is_wrong(config: dict[str, Any], place: tuple[str, ...]) -> None:
    with pytest.raises(ValidationError) as raised:
        VLLMConfig.model_validate(config)
    assert [error["loc"] for error in raised.value.errors()] == [place]


def test_the_registry_keeps_what_was_said_of_an_embedding_model() -> None:
    assert EmbeddingModel(embedding_dimension=3).metadata() == {"embedding_dimension": 3}
    assert EmbeddingModel(embedding_dimension=3, context_length=4).metadata() == {
        "embedding_dimension": 3,
        "context_length": 4,
    }
