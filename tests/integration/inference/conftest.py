"""A server in front of vLLM, with a chat model and an embedding model."""

from collections.abc import Iterator

import pytest

from tests.support.run_configs import AGENTS, FAISS, local_files, run_config, vllm_provider
from tests.support.stack_server import StackServer, serve
from tests.support.vllm import Vllm

DIMENSION = 384
SHORT_ANSWER = 16  # tokens
# Leaves next to no room for a prompt in the chat model's context of 8192.
LONG_ANSWER = 8190


@pytest.fixture(scope="package")
def stack(vllm: Vllm, vllm_embedding: Vllm, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackServer]:
    """A server with three providers of vLLM.

    `vllm` has a registered model and lists no other, `unlisted` has none at all, and `embedding` says what its model
    is; vector stores use that if nothing else is asked for.
    """
    directory = tmp_path_factory.mktemp("stack")
    embedding_models = {vllm_embedding.model: {"embedding_dimension": DIMENSION}}
    config = run_config(
        directory,
        {
            "inference": [
                vllm_provider("vllm", vllm.url, allowed_models=[], max_tokens=SHORT_ANSWER),
                vllm_provider("unlisted", vllm.url, allowed_models=[], max_tokens=LONG_ANSWER),
                vllm_provider("embedding", vllm_embedding.url, embedding_models=embedding_models),
            ],
            "agents": [AGENTS],
            "files": [local_files(directory)],
            "vector_io": [FAISS],
        },
        registered_resources={"models": [{"model_id": vllm.model, "provider_id": "vllm"}]},
        vector_stores={
            "default_provider_id": "faiss",
            "default_embedding_model": {"provider_id": "embedding", "model_id": vllm_embedding.model},
        },
    )
    with serve(config) as server:
        yield server
