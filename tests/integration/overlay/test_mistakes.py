"""Mistakes of clients: each has a status that says so, and a message that helps."""

from collections.abc import Callable, Iterator
from typing import Any

import openai
import pytest
from openai import OpenAI

from tests.support.run_configs import AGENTS, FAISS, local_files, run_config, vllm_provider
from tests.support.stack_server import StackServer, serve
from tests.support.vllm import Vllm


@pytest.fixture(scope="module")
def stack(vllm: Vllm, vllm_embedding: Vllm, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackServer]:
    directory = tmp_path_factory.mktemp("mistakes")
    embedding_models = {vllm_embedding.model: {"embedding_dimension": 384}}
    providers = {
        "inference": [
            vllm_provider("vllm", vllm.url),
            vllm_provider("embedding", vllm_embedding.url, embedding_models=embedding_models),
        ],
        "agents": [AGENTS],
        "files": [local_files(directory)],
        "vector_io": [FAISS],
    }
    with serve(run_config(directory, providers)) as server:
        yield server


@pytest.fixture
def client(stack: StackServer) -> OpenAI:
    return stack.openai


UNKNOWN: dict[str, Callable[[OpenAI], object]] = {
    "vector store": lambda client: client.vector_stores.retrieve("vs_unknown"),
    "conversation": lambda client: client.conversations.retrieve("conv_" + "0" * 48),
    "response": lambda client: client.responses.retrieve("resp_unknown"),
    "chat completion": lambda client: client.chat.completions.retrieve("chatcmpl-unknown"),
}


@pytest.mark.parametrize("kind", UNKNOWN)
def test_what_is_not_there_is_not_found(client: OpenAI, kind: str) -> None:
    with pytest.raises(openai.NotFoundError, match=r"(?i)unknown|0{48}"):
        UNKNOWN[kind](client)


def test_a_model_of_the_other_kind_is_named(client: OpenAI, vllm: Vllm, vllm_embedding: Vllm) -> None:
    with pytest.raises(openai.BadRequestError, match="is of type 'embedding'"):
        client.chat.completions.create(
            model=f"embedding/{vllm_embedding.model}", messages=[{"role": "user", "content": "Hello"}]
        )
    with pytest.raises(openai.BadRequestError, match="is of type 'llm'"):
        client.embeddings.create(model=f"vllm/{vllm.model}", input="Hello")


def test_json_that_is_none_has_no_field_to_blame(client: OpenAI) -> None:
    headers = {"Content-Type": "application/json"}
    with pytest.raises(openai.BadRequestError) as error:
        client.post("/chat/completions", content=b"{no", cast_to=object, options={"headers": headers})
    assert error.value.param is None
    body: Any = error.value.body
    assert body["message"] == "JSON decode error"


def test_a_vector_store_takes_the_only_embedding_model(client: OpenAI, vllm_embedding: Vllm) -> None:
    store = client.vector_stores.create(name="zoo")
    file = client.files.create(file=("a.txt", b"Giraffes have long necks."), purpose="assistants")
    client.vector_stores.files.create_and_poll(file.id, vector_store_id=store.id)
    assert client.vector_stores.search(store.id, query="long necks").data
    assert client.vector_stores.search(client.vector_stores.create(name="empty").id, query="long necks").data == []


def test_a_search_that_fails_says_so(client: OpenAI) -> None:
    store = client.vector_stores.create(name="zoo")
    file = client.files.create(file=("a.txt", b"Giraffes have long necks."), purpose="assistants")
    client.vector_stores.files.create_and_poll(file.id, vector_store_id=store.id)
    with pytest.raises(openai.BadRequestError, match="Unsupported filter type"):
        client.vector_stores.search(store.id, query="necks", filters={"type": "like", "key": "a", "value": "b"})  # type: ignore[arg-type]
    with pytest.raises(openai.BadRequestError, match="maximum context length"):
        client.vector_stores.search(store.id, query="necks " * 1000)


def test_a_file_that_could_not_be_attached_says_why(client: OpenAI) -> None:
    store = client.vector_stores.create(name="zoo")
    file = client.files.create(file=("a.txt", b"giraffe " * 600), purpose="assistants")
    attached = client.vector_stores.files.create_and_poll(file.id, vector_store_id=store.id)
    assert attached.status == "failed"
    assert attached.last_error
    assert "maximum context length" in attached.last_error.message
