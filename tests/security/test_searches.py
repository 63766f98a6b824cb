"""Words that are searched for are words, whatever they look like, and filters that are none are said to be."""

import pytest

from tests.security.conftest import Served

EMBEDDING = "vllm-embedding/scripted-embedding"
CONTENT = 'it\'s a "test" id: x?'


@pytest.fixture(scope="module")
def store(served: Served) -> str:
    """A store with one chunk."""
    made = served.http.post("/v1/vector_stores", json={"embedding_model": EMBEDDING, "provider_id": "sqlite-vec"})
    store_id: str = made.json()["id"]
    chunk = {"content": CONTENT, "metadata": {"document_id": "d", "year": 2020, "word": "text"}}
    assert served.http.post("/v1/vector-io/insert", json={"vector_db_id": store_id, "chunks": [chunk]}).is_success
    return store_id


@pytest.mark.parametrize("mode", ["keyword", "hybrid"])
@pytest.mark.parametrize("query", ["it's", '"test"', "id:x", "x?", "test)", "test*", "a - test", "\ttest\0"])
def test_punctuation_is_no_syntax(served: Served, store: str, query: str, mode: str) -> None:
    found = served.http.post(f"/v1/vector_stores/{store}/search", json={"query": query, "search_mode": mode})

    assert found.status_code == 200
    assert [one["file_id"] for one in found.json()["data"]] == ["d"]


@pytest.mark.parametrize("query", ["", "?", ":", "missing OR test", "NOT missing", "id:809e9cd2"])
def test_a_search_without_a_word_that_is_there_finds_nothing(served: Served, store: str, query: str) -> None:
    found = served.http.post(f"/v1/vector_stores/{store}/search", json={"query": query, "search_mode": "keyword"})

    assert (found.status_code, found.json()["data"]) == (200, [])


@pytest.mark.parametrize(
    ("filters", "status"),
    [
        ({"type": "gt", "key": "word", "value": 1}, 200),
        ({"type": "lt", "key": "year", "value": "x"}, 200),
        ({"type": "lt", "key": "year", "value": None}, 200),
        ({"type": "and", "filters": "x"}, 400),
        ({"type": "and", "filters": ["x"]}, 400),
        ({"type": "eq", "key": ["x"], "value": 1}, 400),
        ({"type": "'; DROP TABLE x"}, 400),
    ],
)
def test_a_filter_is_no_error_of_the_server(served: Served, store: str, filters: object, status: int) -> None:
    found = served.http.post(f"/v1/vector_stores/{store}/search", json={"query": "test", "filters": filters})

    assert found.status_code == status
    if status == 200:
        assert found.json()["data"] == []


@pytest.mark.parametrize(
    "params",
    [
        {"max_chunks": "x"},
        {"score_threshold": "x"},
        {"mode": "hybrid", "ranker": "x"},
        {"mode": "hybrid", "ranker": {"strategy": "rrf", "params": {"k": -1}}},
        {"mode": "hybrid", "ranker": {"strategy": "weighted", "params": {"weights": ["x"]}}},
    ],
)
def test_parameters_that_are_none_are_the_clients_mistake(served: Served, store: str, params: object) -> None:
    query = {"vector_db_id": store, "query": "test", "params": params}

    assert served.http.post("/v1/vector-io/query", json=query).status_code == 400


@pytest.mark.parametrize("metadata", [{"document_id": 3}, {"chunk_id": 3}, {"token_count": "x"}])
def test_a_chunk_that_would_break_searches_is_not_taken(served: Served, store: str, metadata: object) -> None:
    body = {"vector_db_id": store, "chunks": [{"content": "x", "metadata": metadata}]}

    assert served.http.post("/v1/vector-io/insert", json=body).status_code == 400
