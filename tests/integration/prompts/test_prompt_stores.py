"""The stores below the prompts: what every one of them promises."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, NoReturn
from uuid import uuid4

import psycopg
import pytest
import redis
from llama_stack.core.storage.datatypes import KVStoreReference, StorageBackendConfig
from llama_stack.providers.utils.kvstore.kvstore import register_kvstore_backends
from pydantic import TypeAdapter

from providers.stores import StoreUnavailable, Transaction, open_store
from tests.integration.files.waiting import wait_until
from tests.integration.prompts.conftest import Backend
from tests.support.blocking import Blocking
from tests.support.postgres import Postgres
from tests.support.redis import Redis
from tests.support.run_configs import postgres_kv, redis_kv

Open = Callable[[str], Blocking]


@pytest.fixture
def opened(backend: Backend) -> Iterator[Open]:
    """Open the backend with a namespace, in this process."""
    register_kvstore_backends({"backend": TypeAdapter(StorageBackendConfig).validate_python(backend)})
    stores: list[Blocking] = []

    def open_with(namespace: str) -> Blocking:
        stores.append(_open(KVStoreReference(backend="backend", namespace=namespace)))
        return stores[-1]

    yield open_with
    for store in stores:
        store.close()


@pytest.fixture
def store(opened: Open) -> Iterator[Blocking]:
    """A store without the keys that the tests below use."""
    store = opened("stores")
    yield store
    store.transact("stores-", lambda transaction: transaction.delete("stores-"))


def test_what_is_put_can_be_got_and_deleted(store: Blocking) -> None:
    _put(store, {"stores-a": "1", "stores-b": "2"})
    _put(store, {"stores-b": "3"})

    assert store.get("stores-a") == "1"
    assert store.get("stores-c") is None
    assert store.range("stores-") == {"stores-a": "1", "stores-b": "3"}
    assert store.transact("stores-a", lambda transaction: transaction.delete("stores-a")) == 1
    assert store.transact("stores-a", lambda transaction: transaction.delete("stores-a")) == 0
    assert store.range("stores-") == {"stores-b": "3"}


def test_a_range_holds_what_begins_alike_and_nothing_else(store: Blocking) -> None:
    inside = {f"stores-x:{name}": name for name in ("1", "12", "2", "default")}
    _put(store, inside | {"stores-x": "", "stores-x;": "", "stores-X:1": "", "stores-y:1": "", "stores-x-:1": ""})

    assert store.range("stores-x:") == inside


def test_targets_follows_the_pointers(store: Blocking) -> None:
    _put(
        store,
        {
            "stores-a:1": "first",
            "stores-a:2": "second",
            "stores-a:default": "2",
            "stores-b:1": "only",
            "stores-b:default": "1",
            "stores-dangling:default": "1",
            "stores-c:1": "not pointed at",
        },
    )

    assert sorted(store.targets("stores-", "default")) == ["only", "second"]
    assert store.targets("stores-a:", "default") == ["second"]


def test_a_transaction_that_fails_writes_nothing_and_holds_up_nobody(store: Blocking, opened: Open) -> None:
    def fail(transaction: Transaction) -> NoReturn:
        transaction.put("stores-a", "1")
        transaction.delete("stores-b")
        raise KeyError("halfway")

    _put(store, {"stores-b": "2"})
    with pytest.raises(KeyError, match="halfway"):
        store.transact("stores-a", fail)

    assert store.range("stores-") == {"stores-b": "2"}
    _put(opened("stores"), {"stores-a": "3"})
    _put(store, {"stores-b": "4"})
    assert store.range("stores-") == {"stores-a": "3", "stores-b": "4"}


def test_transactions_on_one_lock_see_each_other(opened: Open) -> None:
    stores = [opened("stores"), opened("stores")]
    _put(stores[0], {"stores-count": "0"})

    def count(transaction: Transaction) -> None:
        transaction.put("stores-count", str(int(transaction.get("stores-count") or 0) + 1))

    def work(store: Blocking) -> None:
        with ThreadPoolExecutor(4) as threads:
            list(threads.map(lambda _: store.transact("stores-count", count), range(40)))

    with ThreadPoolExecutor(2) as both:
        list(both.map(work, stores))

    assert stores[0].get("stores-count") == "80"
    stores[0].transact("stores-count", lambda transaction: transaction.delete("stores-"))


@pytest.mark.parametrize("backend", ["postgres", "redis"], indirect=True)
def test_namespaces_are_apart(opened: Open) -> None:
    one, other, wild = opened("one"), opened("other"), opened("o*[e]?")

    _put(one, {"stores-a": "1"})

    assert one.range("stores-") == {"stores-a": "1"}
    assert other.range("stores-") == wild.range("stores-") == {}


def test_checking_a_store_leaves_nothing_in_it(store: Blocking) -> None:
    store.check()

    assert store.get("health") is None


def test_a_table_is_made_once_whoever_comes_first(postgres: Postgres) -> None:
    config = TypeAdapter(StorageBackendConfig).validate_python(postgres_kv(postgres, "Made_In_A_Race"))
    register_kvstore_backends({"backend": config})
    stores = [_open(KVStoreReference(backend="backend", namespace="race")) for _ in range(8)]

    with ThreadPoolExecutor(len(stores)) as threads:
        assert list(threads.map(lambda store: store.range(""), stores)) == [{}] * len(stores)
    for store in stores:
        store.close()


def test_connections_without_their_table_do_not_pile_up(postgres: Postgres) -> None:
    """Each request and each health check would leave one, until the server takes no more."""
    role = f"reader_{uuid4().hex}"
    postgres.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'for-tests-only'")
    config = postgres_kv(replace(postgres, user=role), "not_to_be_made")
    register_kvstore_backends({"backend": TypeAdapter(StorageBackendConfig).validate_python(config)})
    store = _open(KVStoreReference(backend="backend", namespace="stores"))

    for _ in range(3):
        with pytest.raises(StoreUnavailable, match="permission denied for schema public"):
            store.get("key")

    assert len(_sessions(postgres, role)) == 1
    store.close()
    # The server ends a session a moment after its client has hung up.
    wait_until(lambda: not _sessions(postgres, role))


def test_a_full_redis_writes_nothing_and_tells_no_values(redis_server: Redis) -> None:
    register_kvstore_backends({"backend": TypeAdapter(StorageBackendConfig).validate_python(redis_kv(redis_server))})
    store = _open(KVStoreReference(backend="backend", namespace="full"))
    _put(store, {"stores-a": "1"})

    with redis.Redis.from_url(redis_server.url) as client:
        client.config_set("maxmemory", 1)
        try:
            with pytest.raises(StoreUnavailable) as raised:
                _put(store, {"stores-a": "s3cr3t", "stores-b": "2"})
        finally:
            client.config_set("maxmemory", 0)

    assert str(raised.value).endswith("cannot be used: command not allowed when used memory > 'maxmemory'.")
    assert store.range("stores-") == {"stores-a": "1"}
    _put(store, {"stores-b": "2"})
    assert store.transact("stores-a", lambda transaction: transaction.delete("stores-")) == 2
    store.close()


def test_a_backend_has_to_be_there_and_of_a_kind_that_serves() -> None:
    mongodb = TypeAdapter(StorageBackendConfig).validate_python({"type": "kv_mongodb"})
    register_kvstore_backends({"mongodb": mongodb})

    with pytest.raises(ValueError, match="no key-value backend 'absent'; there is: mongodb"):
        _open(KVStoreReference(backend="absent", namespace="prompts"))
    with pytest.raises(ValueError, match=r"'mongodb' is of type kv_mongodb.*use kv_sqlite, kv_postgres or kv_redis"):
        _open(KVStoreReference(backend="mongodb", namespace="prompts"))


def _open(reference: KVStoreReference) -> Blocking:
    return Blocking(open_store(reference))


def _put(store: Blocking, values: dict[str, str]) -> None:
    def put(transaction: Transaction) -> None:
        for key, value in values.items():
            transaction.put(key, value)

    store.transact(next(iter(values)), put)


def _sessions(postgres: Postgres, role: str) -> list[Any]:
    with psycopg.connect(postgres.url) as connection:
        return connection.execute("SELECT pid FROM pg_stat_activity WHERE usename = %s", (role,)).fetchall()
