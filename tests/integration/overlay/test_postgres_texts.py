"""Text and numbers that PostgreSQL cannot store are the client's mistake."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import yaml

from tests.support import scripted_backend
from tests.support.postgres import Postgres
from tests.support.stack_server import ROOT, serve

NUL = "a\0b"


@pytest.fixture(scope="module")
def client(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A client of the default run config, with everything in PostgreSQL."""
    data: Path = tmp_path_factory.mktemp("data")
    state, vectors = postgres.new_database(), postgres.new_database()
    with scripted_backend.serve() as backend:
        vectors.execute("CREATE EXTENSION vector")
        environment = {
            "VLLM_EMBEDDING_URL": backend.url,
            "VLLM_EMBEDDING_MODEL": scripted_backend.EMBEDDING_MODEL,
            "VLLM_EMBEDDING_DIMENSION": str(scripted_backend.DIMENSION),
            "SQLITE_STORE_DIR": str(data),
            "FILES_STORAGE_DIR": str(data / "files"),
            "VECTOR_IO_DEFAULT_PROVIDER": "pgvector",
        }
        for prefix, database in {"POSTGRES": state, "PGVECTOR": vectors}.items():
            environment |= {
                f"{prefix}_HOST": database.host,
                f"{prefix}_PORT": str(database.port),
                f"{prefix}_DB": database.database,
                f"{prefix}_USER": database.user,
                f"{prefix}_PASSWORD": database.password,
            }
        with (
            serve(yaml.safe_load((ROOT / "run.yaml").read_text()), environment) as stack,
            httpx.Client(base_url=stack.url, timeout=60) as one,
        ):
            yield one


def test_a_nul_is_refused_where_it_cannot_be_stored(client: httpx.Client) -> None:
    store = client.post("/v1/vector_stores", json={"name": "x"}).json()["id"]
    chunks = [{"content": "x", "metadata": {"document_id": NUL}}]

    for path, body in (
        ("/v1/vector_stores", {"name": NUL}),
        ("/v1/vector-io/insert", {"vector_db_id": store, "chunks": chunks}),
        ("/v1/vector-io/insert", {"vector_db_id": store, "chunks": [{**chunks[0], "content": NUL, "metadata": {}}]}),
        (f"/v1/vector_stores/{store}/search", {"query": NUL, "search_mode": "keyword"}),
    ):
        answer = client.post(path, json=body)
        assert answer.status_code == 400, path
        assert "Invalid value" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    "kind", ["responses", "files", "conversations", "chat/completions", "models", "datasets", "batches", "agents"]
)
def test_an_id_with_a_nul_is_nobodys(client: httpx.Client, kind: str) -> None:
    assert client.get(f"/v1/{kind}/a%00b").status_code in (400, 404)


@pytest.mark.parametrize("limit", [10**30, 2**63])
@pytest.mark.parametrize("kind", ["responses", "files", "chat/completions"])
def test_a_number_beyond_64_bits_is_refused(client: httpx.Client, kind: str, limit: int) -> None:
    assert client.get(f"/v1/{kind}", params={"limit": limit}).status_code == 400


@pytest.mark.parametrize("query", ["it's", '"', "?", ":", "%s", "' OR 1=1 --"])
def test_a_search_for_keywords_is_text(client: httpx.Client, query: str) -> None:
    store = client.post("/v1/vector_stores", json={"name": "x"}).json()["id"]

    found = client.post(f"/v1/vector_stores/{store}/search", json={"query": query, "search_mode": "keyword"})

    assert (found.status_code, found.json()["data"]) == (200, [])
