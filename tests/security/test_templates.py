"""A request to the RAG tool cannot run code in the server."""

import httpx
import pytest

from tests.security.conftest import Served


@pytest.mark.advisory("template-injection")
def test_a_template_makes_no_directory(served: Served) -> None:
    template = "{{ cycler.__init__.__globals__.os.mkdir('/data/made') }}"

    answer = served.http.post(
        "/v1/tool-runtime/rag-tool/query",
        json={
            "content": "hello",
            "vector_store_ids": ["any"],
            "query_config": {"query_generator_config": {"type": "llm", "model": "none", "template": template}},
        },
    )

    assert not (served.data / "made").exists()
    assert answer.status_code == 400
    assert "template cannot be rendered" in answer.json()["error"]["message"]


@pytest.mark.advisory("environment-in-answers")
@pytest.mark.parametrize(
    "field",
    [
        "{chunk.model_dump.__globals__[sys].modules[os].environ}",
        "{chunk.__class__.__init__.__globals__}",
        "{metadata.__class__.__mro__}",
        "{index:>1000000000}",
    ],
)
def test_a_chunk_template_shows_chunks_alone(served: Served, field: str) -> None:
    store = served.http.post(
        "/v1/vector_stores", json={"embedding_model": "vllm-embedding/scripted-embedding", "provider_id": "faiss"}
    ).json()["id"]
    chunk = {"content": "hello", "metadata": {"document_id": "d"}}
    assert served.http.post("/v1/vector-io/insert", json={"vector_db_id": store, "chunks": [chunk]}).is_success

    def query(template: str) -> httpx.Response:
        return served.http.post(
            "/v1/tool-runtime/rag-tool/query",
            json={"content": "hello", "vector_store_ids": [store], "query_config": {"chunk_template": template}},
        )

    answer = query(f"{{index}} {{chunk.content}} {field}")
    assert answer.status_code == 400
    assert "VLLM_URL" not in answer.text
    assert "1 hello d" in query("{index} {chunk.content} {metadata[document_id]}").text
