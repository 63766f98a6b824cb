"""The store that a run config refers to."""

import asyncio
from pathlib import Path

import pytest
from llama_stack.core.storage.datatypes import (
    KVStoreReference,
    MongoDBKVStoreConfig,
    PostgresKVStoreConfig,
    RedisKVStoreConfig,
    SqliteKVStoreConfig,
)
from llama_stack.providers.utils.kvstore import kvstore

from providers.stores import open_store


@pytest.fixture(autouse=True)
def backends(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Backends as if a run config had them; no server answers where they are."""
    configs = {
        "sqlite": SqliteKVStoreConfig(db_path=str(tmp_path / "kv.db")),
        "postgres": PostgresKVStoreConfig(host="127.0.0.1", port=1, db="d", user="u", password="s3cr3t"),
        "redis": RedisKVStoreConfig(host="127.0.0.1", port=1),
        "mongodb": MongoDBKVStoreConfig(host="127.0.0.1", port=1, db="d", password="s3cr3t"),
    }
    monkeypatch.setattr(kvstore, "_KVSTORE_BACKENDS", configs)


@pytest.mark.parametrize(
    ("backend", "name"),
    [
        ("sqlite", "SQLite file {tmp_path}/kv.db"),
        ("postgres", "PostgreSQL database d at 127.0.0.1:1"),
        ("redis", "Redis server at 127.0.0.1:1"),
    ],
)
def test_a_store_is_named_in_messages_and_not_opened_yet(tmp_path: Path, backend: str, name: str) -> None:
    store = open_store(KVStoreReference(backend=backend, namespace="prompts"))

    assert str(store) == name.format(tmp_path=tmp_path)
    assert list(tmp_path.iterdir()) == []
    asyncio.run(store.close())


def test_a_backend_that_is_not_there() -> None:
    with pytest.raises(ValueError, match="no key-value backend 'absent'; there is: mongodb, postgres, redis, sqlite"):
        open_store(KVStoreReference(backend="absent", namespace="prompts"))


def test_a_backend_without_transactions() -> None:
    with pytest.raises(ValueError, match=r"'mongodb' is of type kv_mongodb, which has no transactions here") as raised:
        open_store(KVStoreReference(backend="mongodb", namespace="prompts"))
    assert "use kv_sqlite, kv_postgres or kv_redis" in str(raised.value)
