"""Every vector store of the default run config is there after a restart of the image."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from openai import OpenAI
from openai.resources.vector_stores import VectorStores

from tests.support.image import BuiltImage
from tests.support.milvus import Milvus
from tests.support.postgres import Postgres
from tests.support.sandboxed import serving
from tests.support.vllm import Vllm

GIRAFFES = "Giraffes have long necks."
PROVIDERS = ("faiss", "sqlite-vec", "milvus", "pgvector")


@dataclass(frozen=True)
class Restarted:
    """A server that has been started again, and the store that each provider made before."""

    client: OpenAI
    stores: dict[str, str]


@pytest.fixture(scope="module")
def restarted(
    built: BuiltImage,
    vllm_embedding: Vllm,
    milvus: Milvus,
    postgres: Postgres,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Restarted]:
    database = postgres.new_database()
    database.execute("CREATE EXTENSION vector")
    environment = {
        "VLLM_EMBEDDING_URL": vllm_embedding.url,
        "VLLM_EMBEDDING_MODEL": vllm_embedding.model,
        "VLLM_EMBEDDING_DIMENSION": "384",
        "MILVUS_ENDPOINT": milvus.uri,
        "PGVECTOR_HOST": database.host,
        "PGVECTOR_PORT": str(database.port),
        "PGVECTOR_DB": database.database,
        "PGVECTOR_USER": database.user,
        "PGVECTOR_PASSWORD": database.password,
    }
    data = tmp_path_factory.mktemp("data")
    with serving(built, environment, data) as address:
        stores = {provider: _zoo(_client(address), provider, vllm_embedding.model) for provider in PROVIDERS}
    with serving(built, environment, data) as address:
        yield Restarted(_client(address), stores)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_vector_store_outlives_a_restart(restarted: Restarted, provider: str) -> None:
    store, stores = restarted.stores[provider], restarted.client.vector_stores
    owls = _attach(restarted.client, store, b"Owls see at night.")
    assert [_best(stores, store, query) for query in ("long necks", "owls")] == [GIRAFFES, "Owls see at night."]

    stores.files.delete(owls, vector_store_id=store)
    assert _best(stores, store, "owls") == GIRAFFES
    assert stores.retrieve(store).file_counts.total == 1

    stores.delete(store)
    assert store not in {listed.id for listed in stores.list().data}


@pytest.mark.parametrize("provider", PROVIDERS)
def test_nothing_is_found_where_nothing_is(restarted: Restarted, vllm_embedding: Vllm, provider: str) -> None:
    client = restarted.client
    empty = client.vector_stores.create(name="empty", extra_body=_options(provider, vllm_embedding.model))
    assert client.vector_stores.search(empty.id, query="owls").data == []


def _best(stores: VectorStores, store: str, query: str) -> str:
    return stores.search(store, query=query).data[0].content[0].text


def _client(address: str) -> OpenAI:
    return OpenAI(base_url=f"{address}/v1", api_key="none", max_retries=0)


def _zoo(client: OpenAI, provider: str, model: str) -> str:
    """A store of this provider with one file in it."""
    store = client.vector_stores.create(name="zoo", extra_body=_options(provider, model))
    _attach(client, store.id, GIRAFFES.encode())
    return store.id


def _options(provider: str, model: str) -> dict[str, object]:
    return {"provider_id": provider, "embedding_model": f"vllm-embedding/{model}", "embedding_dimension": 384}


def _attach(client: OpenAI, store: str, content: bytes) -> str:
    """The id of a file with this content, which is in the store now."""
    file = client.files.create(file=("animals.txt", content), purpose="assistants")
    assert client.vector_stores.files.create_and_poll(file.id, vector_store_id=store).status == "completed"
    return file.id
