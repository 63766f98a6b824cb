"""State that several replicas share. Upstream reads registry and vector stores once, when it starts.

Where a key-value store lies on a server, what other replicas have written there is looked up; one in a SQLite
file has a single writer, and upstream's copy in memory is right.
"""

import functools
import inspect
import json
import time
from collections.abc import Awaitable, Callable
from types import ModuleType
from typing import Any

TRUSTED_SECONDS = 1.0
"""How long a registered resource that is known may be used without asking whether another replica changed it."""

SHARED = ("MongoDBKVStoreImpl", "PostgresKVStoreImpl", "RedisKVStoreImpl")

AsyncFunction = Callable[..., Awaitable[Any]]


def change_resource_registry(module: ModuleType) -> None:
    """llama_stack.core.store.registry: find the resources that other replicas have registered."""
    registry: Any = module.CachedDiskDistributionRegistry
    from_cache, all_from_cache = registry.get, registry.get_all

    async def get(self: Any, type: str, identifier: str) -> Any:
        key = (type, identifier)
        read = self.__dict__.setdefault("read", {})
        fresh = key in self.cache and time.monotonic() - read.get(key, 0) < TRUSTED_SECONDS
        if fresh or not _is_shared(self.kvstore):
            return await from_cache(self, type, identifier)
        found = await module.DiskDistributionRegistry.get(self, type, identifier)
        if found is None:
            self.cache.pop(key, None)
        else:
            self.cache[key] = found
            read[key] = time.monotonic()
        return found

    async def get_all(self: Any) -> list[Any]:
        if not _is_shared(self.kvstore):
            objects: list[Any] = await all_from_cache(self)
            return objects
        found = await module.DiskDistributionRegistry.get_all(self)
        self.cache = {(one.type, one.identifier): one for one in found}
        return list(found)

    registry.get, registry.get_all = get, get_all


def change_routing(module: ModuleType) -> None:
    """llama_stack.core.routing_tables.common: route to what another process, or one before a restart, registered."""
    table: Any = module.CommonRoutingTableImpl
    route = table.get_provider_impl

    @functools.wraps(route)
    async def get_provider_impl(self: Any, routing_key: str, provider_id: str | None = None) -> Any:
        try:
            provider = await route(self, routing_key, provider_id)
        except ValueError:  # not in the cache that upstream routes by
            await self.dist_registry.get_all()
            provider = await route(self, routing_key, provider_id)
        if module.get_impl_api(provider) is module.Api.vector_io:
            await _make_known(provider, self.dist_registry.get_cached("vector_store", routing_key))
        return provider

    table.get_provider_impl = get_provider_impl


async def _make_known(provider: Any, vector_store: Any) -> None:
    """Milvus's adapter says "not found" of each vector store that its own process has not registered."""
    if vector_store.identifier not in getattr(provider, "cache", {vector_store.identifier}):
        await provider.register_vector_store(vector_store)


def change_vector_stores(module: ModuleType) -> None:
    """llama_stack.providers.utils.memory.openai_vector_store_mixin: see what other replicas did to vector stores."""
    mixin: Any = module.OpenAIVectorStoreMixin
    for name, method in inspect.getmembers(mixin, inspect.iscoroutinefunction):
        if name == "openai_list_vector_stores":
            setattr(mixin, name, _after_reading_all(method))
        elif name.startswith("openai_") and "vector_store_id" in inspect.signature(method).parameters:
            setattr(mixin, name, _after_reading_one(method, module.OPENAI_VECTOR_STORES_PREFIX))


def _after_reading_all(method: AsyncFunction) -> AsyncFunction:
    @functools.wraps(method)
    async def do(self: Any, *arguments: Any, **options: Any) -> Any:
        if _is_shared(self.kvstore):
            self.openai_vector_stores = await self._load_openai_vector_stores()
        return await method(self, *arguments, **options)

    return do


def _after_reading_one(method: AsyncFunction, prefix: str) -> AsyncFunction:
    signature = inspect.signature(method)

    @functools.wraps(method)
    async def do(self: Any, *arguments: Any, **options: Any) -> Any:
        if _is_shared(self.kvstore):
            store_id = signature.bind(self, *arguments, **options).arguments["vector_store_id"]
            stored = await self.kvstore.get(f"{prefix}{store_id}")
            if stored is None:
                self.openai_vector_stores.pop(store_id, None)
            else:
                self.openai_vector_stores[store_id] = json.loads(stored)
        return await method(self, *arguments, **options)

    return do


def _is_shared(store: Any) -> bool:
    return type(store).__name__ in SHARED
