"""A request to the RAG tool cannot run code in the server."""

import pytest

from tests.security.conftest import Served

pytestmark = pytest.mark.advisory("template-injection")


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
