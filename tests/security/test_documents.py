"""A document keeps nobody but its sender waiting."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.security.conftest import Served
from tests.support import pdfs

EMBEDDING: dict[str, Any] = {"embedding_model": "vllm-embedding/scripted-embedding", "embedding_dimension": 8}


def _attached(served: Served, name: str, content: bytes) -> tuple[str, Any]:
    """The store and the file in it."""
    http = served.http
    file = http.post("/v1/files", files={"file": (name, content)}, data={"purpose": "assistants"}).json()["id"]
    store = str(http.post("/v1/vector_stores", json={"name": name, **EMBEDDING}).json()["id"])
    attached = http.post(f"/v1/vector_stores/{store}/files", json={"file_id": file}, timeout=300)
    return store, attached.raise_for_status().json()


@pytest.mark.advisory("endless-documents")
def test_the_server_answers_while_it_reads_a_pdf(served: Served) -> None:
    with ThreadPoolExecutor() as pool:
        attaching = pool.submit(_attached, served, "long.PDF", pdfs.endless(3))
        answered = 0
        while not attaching.done():
            assert served.http.get("/v1/health", timeout=5).status_code == 200
            answered += 1

    assert answered > 10
    assert attaching.result()[1]["status"] == "completed"


def test_the_text_of_a_pdf_is_found(served: Served) -> None:
    store, attached = _attached(served, "necks.pdf", pdfs.pdf("Giraffes have long necks."))

    assert attached["status"] == "completed", attached["last_error"]
    found = served.http.post(f"/v1/vector_stores/{store}/search", json={"query": "giraffes"}).json()["data"]
    assert found[0]["content"][0]["text"] == "Giraffes have long necks."


def test_what_is_no_pdf_says_so(served: Served) -> None:
    _, attached = _attached(served, "none.pdf", b"Giraffes have long necks.")

    assert attached["status"] == "failed"
    assert "The PDF cannot be read" in attached["last_error"]["message"]


@pytest.mark.advisory("requests-without-limits")
def test_attributes_have_a_length(served: Served) -> None:
    http = served.http
    file = http.post("/v1/files", files={"file": ("a.txt", b"text")}, data={"purpose": "assistants"}).json()["id"]
    store = http.post("/v1/vector_stores", json={"name": "attributes", **EMBEDDING}).json()["id"]
    attributes = {"key": "x" * 20_000}

    attached = http.post(f"/v1/vector_stores/{store}/files", json={"file_id": file, "attributes": attributes})
    batch = {"file_ids": [file], "attributes": attributes}

    assert attached.status_code == 400
    assert http.post(f"/v1/vector_stores/{store}/file_batches", json=batch).status_code == 400
    assert http.get(f"/v1/vector_stores/{store}/files").json()["data"] == []
