"""Servers with agents: with nothing else on SQLite, and with all that agents use on PostgreSQL."""

from collections.abc import Iterator
from uuid import uuid4

import pytest

from tests.support.postgres import Postgres
from tests.support.run_configs import (
    AGENTS,
    FAISS,
    PROMPTS,
    local_files,
    postgres_kv,
    postgres_sql,
    run_config,
    vllm_provider,
)
from tests.support.stack_server import StackServer, serve
from tests.support.vllm import Vllm

ANSWER = 12  # tokens


@pytest.fixture(scope="package")
def alone(vllm: Vllm, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackServer]:
    """Agents and a chat model."""
    providers = {"inference": [vllm_provider("vllm", vllm.url, max_tokens=ANSWER)], "agents": [AGENTS]}
    with serve(run_config(tmp_path_factory.mktemp("alone"), providers)) as server:
        yield server


@pytest.fixture(scope="package")
def furnished(
    vllm: Vllm, vllm_embedding: Vllm, postgres: Postgres, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[StackServer]:
    """Agents with prompts, files, vector stores and tools."""
    directory = tmp_path_factory.mktemp("furnished")
    embedding_models = {vllm_embedding.model: {"embedding_dimension": 384}}
    providers = {
        "inference": [
            vllm_provider("vllm", vllm.url, max_tokens=ANSWER),
            vllm_provider("embedding", vllm_embedding.url, embedding_models=embedding_models),
        ],
        "agents": [AGENTS],
        "files": [local_files(directory)],
        "prompts": [PROMPTS],
        "tool_runtime": [{"provider_id": "rag-runtime", "provider_type": "inline::rag-runtime"}],
        "vector_io": [FAISS],
    }
    config = run_config(
        directory,
        providers,
        kv_backend=postgres_kv(postgres, f"kv_{uuid4().hex}"),
        sql_backend=postgres_sql(postgres),
        registered_resources={"tool_groups": [{"toolgroup_id": "builtin::rag", "provider_id": "rag-runtime"}]},
    )
    with serve(config) as server:
        yield server
