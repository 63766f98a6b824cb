"""Which models there are, and that they answer."""

import json
from typing import Any

import pytest

from tests.integration.inference.conftest import DIMENSION, SHORT_ANSWER
from tests.support.stack_server import StackServer
from tests.support.vllm import Vllm


def test_discovery_lists_what_is_registered_declared_or_allowed(
    stack: StackServer, vllm: Vllm, vllm_embedding: Vllm
) -> None:
    listed = {model.identifier: model for model in stack.client.models.list()}

    assert listed.keys() == {f"vllm/{vllm.model}", f"embedding/{vllm_embedding.model}"}
    assert listed[f"vllm/{vllm.model}"].api_model_type == "llm"
    embedding = listed[f"embedding/{vllm_embedding.model}"]
    assert embedding.api_model_type == "embedding"
    assert embedding.metadata == {"embedding_dimension": DIMENSION}


@pytest.mark.parametrize("provider", ["vllm", "unlisted"])
def test_models_can_be_used_whatever_is_allowed(stack: StackServer, vllm: Vllm, provider: str) -> None:
    chat: dict[str, Any] = {
        "model": f"{provider}/{vllm.model}",
        "messages": [{"role": "user", "content": "What is the capital of France?"}],
        "max_tokens": 8,
        "temperature": 0,
    }

    answer = stack.openai.chat.completions.create(**chat)
    streamed = list(stack.openai.chat.completions.create(**chat, stream=True))
    theirs = stack.client.chat.completions.create(**chat)

    assert answer.choices[0].message.content
    assert answer.usage is not None
    assert answer.usage.completion_tokens <= 8
    assert "".join(chunk.choices[0].delta.content or "" for chunk in streamed if chunk.choices)
    assert theirs.choices[0].message.content


def test_completions(stack: StackServer, vllm: Vllm) -> None:
    completion: dict[str, Any] = {
        "model": f"vllm/{vllm.model}",
        "prompt": "Once upon",
        "max_tokens": 4,
        "temperature": 0,
    }

    answer = stack.openai.completions.create(**completion)
    streamed = list(stack.openai.completions.create(**completion, stream=True))

    assert answer.choices[0].text
    assert "".join(chunk.choices[0].text for chunk in streamed)


def test_tools_can_be_called(stack: StackServer, vllm: Vllm) -> None:
    city = {"enum": ["Bern"]}
    parameters = {"properties": {"city": city}, "required": ["city"], "additionalProperties": False}
    weather: Any = {"name": "weather", "parameters": {"type": "object", **parameters}}

    answer = stack.openai.chat.completions.create(
        model=f"vllm/{vllm.model}",
        messages=[{"role": "user", "content": "Weather in Bern?"}],
        tools=[{"type": "function", "function": weather}],
        tool_choice={"type": "function", "function": {"name": "weather"}},
        temperature=0,
        max_tokens=60,
    )

    [call] = answer.choices[0].message.tool_calls or []
    assert call.type == "function"
    assert (call.function.name, json.loads(call.function.arguments)) == ("weather", {"city": "Bern"})


def test_embeddings(stack: StackServer, vllm_embedding: Vllm) -> None:
    def embed(*texts: str) -> list[list[float]]:
        answer = stack.openai.embeddings.create(model=f"embedding/{vllm_embedding.model}", input=list(texts))
        return [one.embedding for one in answer.data]

    cat, kitten, ship = embed("a cat", "a kitten", "a container ship")

    assert len(cat) == DIMENSION
    assert _product(cat, kitten) > _product(cat, ship)


def test_vector_stores_take_the_default_embedding_model(stack: StackServer) -> None:
    text = b"The giraffe has the longest neck of all animals.\n"
    file = stack.openai.files.create(file=("animals.txt", text), purpose="assistants")

    store = stack.openai.vector_stores.create(name="animals")
    added = stack.openai.vector_stores.files.create_and_poll(file.id, vector_store_id=store.id)
    found = stack.openai.vector_stores.search(store.id, query="Which animal has a long neck?")

    assert added.status == "completed", added.last_error
    assert "giraffe" in found.data[0].content[0].text


def test_an_answer_without_a_limit_gets_the_configured_one(stack: StackServer, vllm: Vllm) -> None:
    answer = stack.openai.chat.completions.create(
        model=f"vllm/{vllm.model}",
        messages=[{"role": "user", "content": "Count from one to a thousand in words."}],
        extra_body={"ignore_eos": True},
    )

    assert answer.usage is not None
    assert (answer.choices[0].finish_reason, answer.usage.completion_tokens) == ("length", SHORT_ANSWER)


@pytest.mark.parametrize("stream", [False, True])
def test_the_configured_limit_gives_way_to_the_context(stack: StackServer, vllm: Vllm, stream: bool) -> None:
    answer: Any = stack.openai.chat.completions.create(
        model=f"unlisted/{vllm.model}",
        messages=[{"role": "user", "content": "Say a word. " * 20}],
        stop=list("aeio"),
        stream=stream,
    )

    chunks = list(answer) if stream else [answer]
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "stop"


def _product(one: list[float], other: list[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))
