"""A request to the RAG tool cannot run code in the server."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.support.run_configs import FAISS, local_files, run_config, vllm_provider
from tests.support.stack_server import StackServer, serve


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackServer]:
    directory = tmp_path_factory.mktemp("templates")
    providers = {
        "inference": [vllm_provider("vllm", "http://127.0.0.1:9/v1")],
        "files": [local_files(directory)],
        "vector_io": [FAISS],
        "tool_runtime": [{"provider_id": "rag-runtime", "provider_type": "inline::rag-runtime"}],
    }
    resources = {"tool_groups": [{"toolgroup_id": "builtin::rag", "provider_id": "rag-runtime"}]}
    with serve(run_config(directory, providers, registered_resources=resources)) as server:
        yield server


def test_a_template_makes_no_directory(stack: StackServer, tmp_path: Path) -> None:
    made = tmp_path / "made"
    template = f"{{{{ cycler.__init__.__globals__.os.mkdir('{made}') }}}}"
    answer = requests.post(
        f"{stack.url}/v1/tool-runtime/rag-tool/query",
        json={
            "content": "hello",
            "vector_store_ids": ["any"],
            "query_config": {"query_generator_config": {"type": "llm", "model": "none", "template": template}},
        },
        timeout=30,
    )
    assert not made.exists()
    assert answer.status_code == 400
    assert "template cannot be rendered" in answer.json()["error"]["message"]
