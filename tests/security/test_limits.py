"""What one request may bring: more is refused, before it is in memory, and nothing of it is left."""

import json
import socket
from typing import Any
from urllib.parse import urlsplit

import pytest

from distribution.overlay.request_limits import MAX_CONTAINERS, MAX_DEPTH
from distribution.upstream.settings import MAX_REQUEST_BYTES
from tests.security.conftest import Served

pytestmark = pytest.mark.advisory("requests-without-limits")

CHAT = "/v1/chat/completions"
EMBEDDING = "vllm-embedding/scripted-embedding"


def exchange(served: Served, head: str, *body: bytes) -> bytes:
    """Send a request as it is, and return what comes until the server has done."""
    address = urlsplit(served.url)
    with socket.create_connection((address.hostname or "", address.port or 0), timeout=60) as connection:
        connection.sendall(f"{head}\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n\r\n".encode())
        for part in body:
            connection.sendall(part)
        answer = bytearray()
        while part := connection.recv(1 << 16):
            answer += part
    return bytes(answer)


def post(served: Served, body: bytes, path: str = CHAT) -> tuple[int, dict[str, Any]]:
    answer = served.http.post(path, content=body, headers={"Content-Type": "application/json"})
    return answer.status_code, answer.json()


def store(served: Served, provider: str, **more: Any) -> Any:
    return served.http.post(
        "/v1/vector_stores", json={"name": "x", "embedding_model": EMBEDDING, "provider_id": provider, **more}
    )


def test_a_length_that_is_too_large_is_refused_before_the_body_comes(served: Served) -> None:
    answer = exchange(served, f"POST {CHAT} HTTP/1.1\r\nContent-Length: {MAX_REQUEST_BYTES.default + 1}", b"{")

    assert answer.startswith(b"HTTP/1.1 413 ")
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"]["type"] == "invalid_request_error"


def test_a_body_without_a_length_is_counted(served: Served) -> None:
    mebibyte = b"100000\r\n" + b" " * (1 << 20) + b"\r\n"
    chunks = [mebibyte] * (MAX_REQUEST_BYTES.default // (1 << 20) + 1)

    answer = exchange(served, f"POST {CHAT} HTTP/1.1\r\nTransfer-Encoding: chunked", *chunks, b"0\r\n\r\n")

    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"MAX_REQUEST_BYTES" in answer


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 9_000,
        b'{"model": ' + b"[" * 9_000 + b"]" * 9_000 + b"}",
        b'{"tools": ' + b'{"a":' * (MAX_DEPTH + 1) + b"1" + b"}" * (MAX_DEPTH + 1) + b"}",
        b'{"model": "\\"", "messages": ' + b"[" * MAX_DEPTH + b"]" * MAX_DEPTH + b"}",
    ],
    ids=["never closed", "closed", "a schema", "behind a quote"],
)
def test_a_body_is_not_nested_too_deep(served: Served, body: bytes) -> None:
    status, answer = post(served, body)

    assert (status, answer["error"]["code"]) == (400, 400)
    assert "nested deeper" in answer["error"]["message"]


def test_brackets_in_a_text_are_no_nesting(served: Served) -> None:
    messages = [{"role": "user", "content": "[{" * 1000}]

    assert served.http.post(CHAT, json={"model": "vllm/scripted", "messages": messages}).status_code == 200


@pytest.mark.advisory("requests-without-limits")
def test_a_second_content_type_opens_nothing(served: Served) -> None:
    types = [("Content-Type", "application/json"), ("Content-Type", "multipart/form-data; boundary=x")]
    answer = served.http.post(CHAT, content=b'{"model": ' + b"[" * 9_000 + b"]" * 9_000 + b"}", headers=types)

    assert answer.status_code == 400
    assert "nested deeper" in answer.json()["error"]["message"]


def test_a_body_has_not_any_number_of_parts(served: Served) -> None:
    status, answer = post(served, b'{"model": [' + b"[]," * MAX_CONTAINERS + b"[]]}")

    assert status == 400
    assert "arrays and objects" in answer["error"]["message"]


@pytest.mark.parametrize(
    "value",
    [b"NaN", b"-Infinity", b"1e400", b"9" * 400 + b".5", b'"\\ud800"', b'"\\uDC00\\uD800"', b'"\xed\xa0\x80"'],
    ids=["NaN", "infinity", "large exponent", "many digits", "half a pair", "a pair turned round", "raw half"],
)
def test_what_cannot_be_stored_or_written_is_refused(served: Served, value: bytes) -> None:
    body = b'{"model": "vllm/scripted", "input": "hi", "metadata": {"a": ' + value + b"}}"

    assert post(served, body, "/v1/responses")[0] == 400
    assert served.http.get("/v1/responses").status_code == 200


def test_what_only_looks_like_it_is_taken(served: Served) -> None:
    text = "NaN 1e400 \\ud800 \U0001f600"
    messages = [{"role": "user", "content": text}]

    assert served.http.post(CHAT, json={"model": "vllm/scripted", "messages": messages}).status_code == 200


@pytest.mark.parametrize("limit", [10**30, 2**63])
@pytest.mark.parametrize("path", ["/v1/responses", "/v1/files", CHAT, "/v1/vector_stores", "/v1/batches"])
def test_a_number_beyond_64_bits_is_no_error_of_the_server(served: Served, path: str, limit: int) -> None:
    assert served.http.get(path, params={"limit": limit}).status_code < 500


@pytest.mark.parametrize("most", [10**12, 0, -1])
@pytest.mark.parametrize("provider", ["faiss", "sqlite-vec"])
def test_a_search_brings_not_any_number_of_chunks(served: Served, provider: str, most: int) -> None:
    store_id = store(served, provider).json()["id"]

    for path, body in (
        ("/v1/vector-io/query", {"vector_db_id": store_id, "query": "x", "params": {"max_chunks": most}}),
        (f"/v1/vector_stores/{store_id}/search", {"query": "x", "max_num_results": most}),
    ):
        status = served.http.post(path, json=body).status_code
        assert status == 400 or (status, most, "search" in path) == (200, 0, True), path  # 0 is the default there


@pytest.mark.parametrize("dimension", [0, -1, 10**9, "x", [1]])
def test_a_vector_store_has_not_any_dimension(served: Served, dimension: object) -> None:
    assert store(served, "sqlite-vec", embedding_dimension=dimension).status_code == 400
    assert store(served, "faiss", metadata={"embedding_dimension": dimension}).status_code == 400


def test_chunks_overlap_by_half_at_most(served: Served) -> None:
    file = served.http.post(
        "/v1/files", files={"file": ("a.txt", b"word " * 500)}, data={"purpose": "assistants"}
    ).json()
    static = {"max_chunk_size_tokens": 100, "chunk_overlap_tokens": 99}

    attached = served.http.post(
        f"/v1/vector_stores/{store(served, 'faiss').json()['id']}/files",
        json={"file_id": file["id"], "chunking_strategy": {"type": "static", "static": static}},
    ).json()

    assert attached["status"] == "failed"
    assert "chunk_overlap_tokens" in attached["last_error"]["message"]


def test_a_file_batch_has_not_any_number_of_files(served: Served) -> None:
    path = f"/v1/vector_stores/{store(served, 'faiss').json()['id']}/file_batches"

    assert served.http.post(path, json={"file_ids": ["file-x"] * 501}).status_code == 400


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"[" * 5000, "nested deeper"), (b"{}\n" * 50_001, "more than 50000 lines"), (b"\xff", "UTF-8")],
    ids=["deep", "many", "no text"],
)
def test_a_batch_says_what_is_wrong_with_its_input(served: Served, content: bytes, reason: str) -> None:
    file = served.http.post("/v1/files", files={"file": ("a.jsonl", content)}, data={"purpose": "batch"}).json()
    client = served.openai_as("none")
    batch = client.batches.create(input_file_id=file["id"], endpoint="/v1/chat/completions", completion_window="24h")

    while batch.status in ("validating", "in_progress"):
        batch = client.batches.retrieve(batch.id)

    assert batch.status == "failed"
    assert batch.errors and batch.errors.data
    assert reason in str(batch.errors.data[0].message)


@pytest.mark.advisory("requests-without-limits")
def test_an_answer_names_the_first_mistakes_and_how_many_more_there_are(served: Served) -> None:
    body = {"model": "vllm/scripted", "input": [{"type": "none"}] * 2000}

    answer = served.http.post("/v1/responses", json=body)

    assert answer.status_code == 400
    assert len(answer.content) < 50_000
    assert "more" in answer.json()["error"]["message"]


@pytest.mark.advisory("requests-without-limits")
@pytest.mark.parametrize(
    "config",
    [
        {"query_generator_config": {"type": "default", "separator": "x" * 20_000}},
        {"chunk_template": "{index}{chunk.content}{metadata}" + "{chunk.content}" * 2000},
        {"chunk_template": "{index}{chunk.content}{metadata}" + " " * 5000},
    ],
)
def test_a_query_makes_no_more_of_a_chunk_than_there_is(served: Served, config: dict[str, object]) -> None:
    http = served.http
    embedding = {"embedding_model": "vllm-embedding/scripted-embedding", "embedding_dimension": 8}
    store = http.post("/v1/vector_stores", json={"name": "templates", **embedding}).json()["id"]
    chunk = {"content": "Giraffes.", "chunk_id": "giraffes", "metadata": {"document_id": "giraffes"}}
    http.post("/v1/vector-io/insert", json={"vector_db_id": store, "chunks": [chunk]}).raise_for_status()

    query = {"content": "giraffes", "vector_store_ids": [store], "query_config": config}
    answer = http.post("/v1/tool-runtime/rag-tool/query", json=query)

    assert answer.status_code == 400, answer.text
