"""The way to vLLM: kept open, cut, not there yet."""

import asyncio
from pathlib import Path
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI

from providers.inference.vllm.config import VLLMConfig
from providers.inference.vllm.provider import VLLMProvider
from providers.registry.inference import available_providers
from tests.integration.inference.conftest import DIMENSION
from tests.support.forwarder import forward
from tests.support.process import LOOPBACK, free_port
from tests.support.run_configs import FAISS, local_files, run_config, vllm_provider
from tests.support.stack_server import StackServer, serve
from tests.support.vllm import Vllm


def test_each_event_loop_has_one_client_until_shutdown() -> None:
    provider: Any = VLLMProvider(config=VLLMConfig(url=f"http://{LOOPBACK}:1/v1"))
    [provider.__provider_spec__] = available_providers()

    async def use() -> AsyncOpenAI:
        client: AsyncOpenAI = provider.client
        assert id(provider.client) == id(client)
        assert not client.is_closed()
        await provider.shutdown()
        assert client.is_closed()
        return client

    asyncio.run(provider.initialize())
    assert asyncio.run(use()) is not asyncio.run(use())


def test_requests_share_connections(vllm: Vllm, tmp_path: Path) -> None:
    with forward(_port(vllm.url)) as forwarder, serve(_config(tmp_path, forwarder.port)) as stack:
        _chat(stack, vllm.model)
        before = forwarder.connections
        for _ in range(10):
            _chat(stack, vllm.model)

        assert forwarder.connections == before


def test_a_cut_connection_is_an_error_in_the_stream(vllm: Vllm, tmp_path: Path) -> None:
    with forward(_port(vllm.url)) as forwarder, serve(_config(tmp_path, forwarder.port)) as stack:
        chunks = stack.openai.chat.completions.create(
            model=f"vllm/{vllm.model}",
            messages=[{"role": "user", "content": "Count to a million."}],
            max_tokens=4000,
            extra_body={"ignore_eos": True},
            stream=True,
        )
        next(iter(chunks))
        forwarder.hang_up()

        with pytest.raises(openai.APIError, match=f"vLLM at http://{LOOPBACK}:{forwarder.port}/v1"):
            list(chunks)
        assert _chat(stack, vllm.model)


def test_a_server_starts_before_its_vllm(vllm: Vllm, tmp_path: Path) -> None:
    port = free_port()

    with serve(_config(tmp_path, port)) as stack:
        with pytest.raises(openai.APIStatusError) as error:
            _chat(stack, vllm.model)
        assert error.value.status_code == 502
        assert f"vLLM at http://{LOOPBACK}:{port}/v1 cannot be reached" in error.value.response.text
        assert _health(stack)["status"] == "Error"
        assert f"{LOOPBACK}:{port}" in _health(stack)["message"]

        with forward(_port(vllm.url), port):
            assert _chat(stack, vllm.model)
            assert _health(stack) == {"status": "OK"}


def _config(directory: Path, port: int) -> dict[str, Any]:
    """A server in front of a vLLM at a port, with all that could need it at start."""
    embedding_models = {"some-embedding-model": {"embedding_dimension": DIMENSION}}
    provider = vllm_provider("vllm", f"http://{LOOPBACK}:{port}/v1", embedding_models=embedding_models)
    return run_config(
        directory,
        {"inference": [provider], "files": [local_files(directory)], "vector_io": [FAISS]},
        registered_resources={"models": [{"model_id": "smollm2", "provider_id": "vllm"}]},
        vector_stores={
            "default_provider_id": "faiss",
            "default_embedding_model": {"provider_id": "vllm", "model_id": "some-embedding-model"},
        },
    )


def _chat(stack: StackServer, model: str) -> str | None:
    answer = stack.openai.chat.completions.create(
        model=f"vllm/{model}", messages=[{"role": "user", "content": "Hello"}], max_tokens=2
    )
    return answer.choices[0].message.content


def _health(stack: StackServer) -> dict[str, Any]:
    [provider] = [one for one in stack.client.providers.list() if one.provider_id == "vllm"]
    return dict(provider.health)


def _port(url: str) -> int:
    return int(url.removesuffix("/v1").rpartition(":")[2])
