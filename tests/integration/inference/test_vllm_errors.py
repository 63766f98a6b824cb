"""What vLLM answers when it cannot do something reaches the client in vLLM's words."""

from typing import Any

import openai
import pytest

from tests.support.stack_server import StackServer
from tests.support.vllm import Vllm

TOO_LONG = 100_000  # tokens
TOO_MANY_TOKENS = "max_tokens=100000 cannot be greater than max_model_len"
MESSAGES: Any = [{"role": "user", "content": "Hello"}]
TOO_LONG_A_PROMPT = "word " * 9000
NO_ROOM = "maximum context length is 8192 tokens"


def test_chat(stack: StackServer, vllm: Vllm) -> None:
    with pytest.raises(openai.BadRequestError) as error:
        stack.openai.chat.completions.create(model=f"vllm/{vllm.model}", messages=MESSAGES, max_tokens=TOO_LONG)

    assert TOO_MANY_TOKENS in error.value.response.text


def test_chat_in_the_words_of_the_client(stack: StackServer, vllm: Vllm) -> None:
    with pytest.raises(openai.BadRequestError, match=TOO_MANY_TOKENS):
        stack.openai.chat.completions.create(model=f"vllm/{vllm.model}", messages=MESSAGES, max_tokens=TOO_LONG)


def test_streaming_chat(stack: StackServer, vllm: Vllm) -> None:
    with pytest.raises(openai.BadRequestError, match=TOO_MANY_TOKENS):
        stack.openai.chat.completions.create(
            model=f"vllm/{vllm.model}", messages=MESSAGES, max_tokens=TOO_LONG, stream=True
        )


def test_a_prompt_without_room(stack: StackServer, vllm: Vllm) -> None:
    with pytest.raises(openai.BadRequestError) as error:
        stack.openai.chat.completions.create(
            model=f"vllm/{vllm.model}", messages=[{"role": "user", "content": TOO_LONG_A_PROMPT}]
        )

    assert NO_ROOM in error.value.response.text


def test_completions(stack: StackServer, vllm: Vllm) -> None:
    with pytest.raises(openai.BadRequestError) as error:
        stack.openai.completions.create(model=f"vllm/{vllm.model}", prompt="Hello", max_tokens=TOO_LONG)

    assert TOO_MANY_TOKENS in error.value.response.text


def test_a_model_that_is_not_served(stack: StackServer) -> None:
    with pytest.raises(openai.NotFoundError) as error:
        stack.openai.chat.completions.create(model="vllm/absent", messages=MESSAGES)

    assert "The model `absent` does not exist" in error.value.response.text


def test_embeddings(stack: StackServer, vllm_embedding: Vllm) -> None:
    with pytest.raises(openai.BadRequestError) as error:
        stack.openai.embeddings.create(model=f"embedding/{vllm_embedding.model}", input="Hello", dimensions=7)

    assert "Matryoshka" in error.value.response.text


def test_responses(stack: StackServer, vllm: Vllm) -> None:
    with pytest.raises(openai.BadRequestError) as error:
        stack.openai.responses.create(model=f"vllm/{vllm.model}", input=TOO_LONG_A_PROMPT)

    assert NO_ROOM in error.value.response.text


def test_streaming_responses(stack: StackServer, vllm: Vllm) -> None:
    events = stack.openai.responses.create(model=f"vllm/{vllm.model}", input=TOO_LONG_A_PROMPT, stream=True)

    *_, last = events
    assert last.type == "response.failed"
    assert last.response.error is not None
    assert NO_ROOM in last.response.error.message
