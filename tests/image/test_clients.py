"""Chat through the built image and a real vLLM, with the clients that people use."""

from collections.abc import Iterator

import pytest
from llama_stack_client import LlamaStackClient
from openai import OpenAI

from tests.support.image import BuiltImage
from tests.support.sandboxed import serving
from tests.support.vllm import Vllm

QUESTION = "What is the capital of France? Answer in one short sentence."


@pytest.fixture(scope="module")
def address(built: BuiltImage, vllm: Vllm, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The image with its default run config, switched to vLLM by the environment."""
    with serving(built, {"VLLM_URL": vllm.url}, tmp_path_factory.mktemp("data")) as url:
        yield url


def test_the_openai_client_chats(address: str, vllm: Vllm) -> None:
    client = OpenAI(base_url=f"{address}/v1", api_key="none")
    answer = client.chat.completions.create(
        model=f"vllm/{vllm.model}",
        messages=[{"role": "user", "content": QUESTION}],
        temperature=0,
        max_tokens=40,
    )
    assert "Paris" in str(answer.choices[0].message.content)


def test_the_openai_client_streams(address: str, vllm: Vllm) -> None:
    client = OpenAI(base_url=f"{address}/v1", api_key="none")
    stream = client.chat.completions.create(
        model=f"vllm/{vllm.model}",
        messages=[{"role": "user", "content": QUESTION}],
        temperature=0,
        max_tokens=40,
        stream=True,
    )
    pieces = [chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices]
    assert len(pieces) > 3
    assert "Paris" in "".join(pieces)


def test_the_openai_client_gets_a_response_and_reads_it_back(address: str, vllm: Vllm) -> None:
    client = OpenAI(base_url=f"{address}/v1", api_key="none")
    response = client.responses.create(model=f"vllm/{vllm.model}", input=QUESTION, temperature=0)
    assert "Paris" in response.output_text


def test_the_llama_stack_client_chats(address: str, vllm: Vllm) -> None:
    client = LlamaStackClient(base_url=address)
    assert f"vllm/{vllm.model}" in [model.identifier for model in client.models.list()]
    answer = client.chat.completions.create(
        model=f"vllm/{vllm.model}",
        messages=[{"role": "user", "content": QUESTION}],
        temperature=0,
        max_tokens=40,
    )
    assert "Paris" in str(answer.to_dict()["choices"])
