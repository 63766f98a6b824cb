"""Registered resources that several replicas share. Upstream reads them once, when it starts.

Where a key-value store lies on a server, what other replicas have written there is looked up; one in a SQLite
file has a single writer, and upstream's copy in memory is right.
"""

import asyncio
import time
from typing import Any

from distribution.overlay.declaration import change

REGISTRY = "llama_stack.core.store.registry:CachedDiskDistributionRegistry"

TRUSTED_SECONDS = 1.0
"""How long a registered resource that is known may be used without asking whether another replica changed it."""

PATIENCE = 1.0
"""How many seconds a store has to say what has become of a resource that is known; as long it is then left alone."""

SHARED = ("MongoDBKVStoreImpl", "RedisKVStoreImpl")
"""Of llama-stack's own stores, those on a server. This distribution's say it themselves."""


READ_ONCE = "Upstream reads the registry once, when it starts: what another replica registers later is not found."


@change(
    f"{REGISTRY}.get",
    takes=("self", "type", "identifier"),
    why=READ_ONCE,
    reference="llamastack/llama-stack#5008, #5076",
    fixed_in="0.7.0 in part",
)
def get(from_cache: Any) -> Any:
    from llama_stack.core.store.registry import DiskDistributionRegistry

    async def get(self: Any, type: str, identifier: str) -> Any:
        key = (type, identifier)
        if self._initialized and not is_shared(self.kvstore):
            return self.cache.get(key)  # upstream waits for a lock, for one step that nothing can come between
        read = self.__dict__.setdefault("read", {})
        fresh = key in self.cache and time.monotonic() - read.get(key, 0) < TRUSTED_SECONDS
        if fresh or not is_shared(self.kvstore):
            return await from_cache(self, type, identifier)
        known = self.cache.get(key)
        try:
            async with asyncio.timeout(None if known is None else PATIENCE):
                found = await DiskDistributionRegistry.get(self, type, identifier)
        except Exception:  # the store is away, or hangs: what is known is good enough
            if known is None:
                raise
            read[key] = time.monotonic() + PATIENCE
            return known
        if found is None:
            self.cache.pop(key, None)
        else:
            self.cache[key] = found
            read[key] = time.monotonic()
        return found

    return get


@change(
    f"{REGISTRY}.get_all",
    takes=("self",),
    why=READ_ONCE,
    reference="llamastack/llama-stack#5008, #5076",
    fixed_in="0.7.0 in part",
)
def get_all(all_from_cache: Any) -> Any:
    from llama_stack.core.store.registry import DiskDistributionRegistry

    async def get_all(self: Any) -> list[Any]:
        if not is_shared(self.kvstore):
            objects: list[Any] = await all_from_cache(self)
            return objects
        found = await DiskDistributionRegistry.get_all(self)
        self.cache = {(one.type, one.identifier): one for one in found}
        return list(found)

    return get_all


@change(
    "llama_stack.core.routing_tables.common:CommonRoutingTableImpl.get_provider_impl",
    takes=("self", "routing_key", "provider_id"),
    why="Upstream routes by its copy of the registry alone, and Milvus's adapter says 'not found' of each vector store "
    "that its own process has not registered, so of all of them after a restart.",
    reference="llamastack/llama-stack#5954, #6371",
    fixed_in="ogx 1.5.0",
)
def get_provider_impl(route: Any) -> Any:
    from llama_stack.apis.common.errors import VectorStoreNotFoundError
    from llama_stack.apis.datatypes import Api
    from llama_stack.core.routing_tables.common import get_impl_api

    async def get_provider_impl(self: Any, routing_key: str, provider_id: str | None = None) -> Any:
        try:
            provider = await route(self, routing_key, provider_id)
        except ValueError:  # not in the cache that upstream routes by
            await self.dist_registry.get_all()
            try:
                provider = await route(self, routing_key, provider_id)
            except ValueError as error:
                if type(self).__name__ == "VectorStoresRoutingTable":
                    raise VectorStoreNotFoundError(routing_key) from error
                raise
        if get_impl_api(provider) is Api.vector_io:
            await _make_known(provider, self.dist_registry.get_cached("vector_store", routing_key))
        return provider

    return get_provider_impl


async def _make_known(provider: Any, vector_store: Any) -> None:
    if vector_store.identifier not in getattr(provider, "cache", {vector_store.identifier}):
        await provider.register_vector_store(vector_store)


def is_shared(store: Any) -> bool:
    """Whether other processes may write to a key-value store of llama-stack."""
    return getattr(store, "is_shared", False) or type(store).__name__ in SHARED
