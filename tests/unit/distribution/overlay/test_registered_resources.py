"""Whose a model is counts for every name that it has, and who registers one first does not keep it from all others."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from llama_stack.apis.common.errors import ConflictError, ModelNotFoundError
from llama_stack.apis.datatypes import Api
from llama_stack.apis.models import ModelType
from llama_stack.core.access_control.datatypes import AccessRule
from llama_stack.core.datatypes import User
from llama_stack.core.request_headers import RequestProviderDataContext
from llama_stack.core.routers.inference import InferenceRouter
from llama_stack.core.routing_tables.models import ModelsRoutingTable
from llama_stack.core.storage.datatypes import SqliteKVStoreConfig
from llama_stack.core.store.registry import CachedDiskDistributionRegistry
from llama_stack.providers.utils.kvstore.sqlite.sqlite import SqliteKVStoreImpl

ALICE, BOB = User("alice", None), User("bob", None)
NOT_THE_LARGE = [
    AccessRule.model_validate(rule)
    for rule in (
        {"forbid": {"actions": ["read"], "resource": "model::backend/large"}},
        {"permit": {"actions": ["read"], "resource": "model::*"}},
    )
]


class Provider:
    """An inference provider that has every model, and is slow to say so."""

    __provider_spec__ = SimpleNamespace(api=Api.inference)
    __provider_id__ = "backend"

    async def register_model(self, model: Any) -> Any:
        await asyncio.sleep(0)
        return model

    async def unregister_model(self, model_id: str) -> None:
        pass


def run(tmp_path: Path, policy: list[AccessRule], work: Callable[[ModelsRoutingTable], Awaitable[None]]) -> None:
    """Do something with an empty registry."""

    async def with_table() -> None:
        store: Any = SqliteKVStoreImpl(SqliteKVStoreConfig(db_path=str(tmp_path / "kv.db")))
        await store.initialize()
        provider: Any = Provider()
        await work(ModelsRoutingTable({"backend": provider}, CachedDiskDistributionRegistry(store), policy))

    asyncio.run(with_table())


async def provider_for(table: ModelsRoutingTable, user: User | None, model: str) -> str:
    with RequestProviderDataContext({}, user):
        _, name = await InferenceRouter(table)._get_model_provider(model, ModelType.llm)
    return name


@pytest.mark.advisory("models-used-unchecked")
def test_another_users_model_is_not_used_by_its_providers_name(tmp_path: Path) -> None:
    async def work(table: ModelsRoutingTable) -> None:
        with RequestProviderDataContext({}, ALICE):
            await table.register_model("hers")

        assert await provider_for(table, ALICE, "backend/hers") == "hers"
        with pytest.raises(ModelNotFoundError):
            await provider_for(table, BOB, "backend/hers")
        # One that nobody has registered is nobody's, and the default rules allow those.
        assert await provider_for(table, BOB, "backend/other") == "other"
        with pytest.raises(ModelNotFoundError):
            await provider_for(table, BOB, "elsewhere/other")

    run(tmp_path, [], work)


@pytest.mark.advisory("models-used-unchecked")
def test_a_model_that_is_refused_is_refused_before_it_is_registered(tmp_path: Path) -> None:
    async def work(table: ModelsRoutingTable) -> None:
        assert await provider_for(table, BOB, "backend/small") == "small"
        for _ in ("unregistered", "registered"):
            with pytest.raises(ModelNotFoundError):
                await provider_for(table, BOB, "backend/large")
            await table.register_model("large")

    run(tmp_path, NOT_THE_LARGE, work)


@pytest.mark.advisory("resources-taken-over")
def test_what_the_operator_registers_replaces_what_a_user_has(tmp_path: Path) -> None:
    async def work(table: ModelsRoutingTable) -> None:
        with RequestProviderDataContext({}, ALICE):
            await table.register_model("wanted", metadata={"hers": True})
        await table.register_model("wanted")

        for user in (ALICE, BOB):
            with RequestProviderDataContext({}, user):
                assert (await table.get_model("backend/wanted")).metadata == {}
        with RequestProviderDataContext({}, ALICE), pytest.raises(ConflictError):
            await table.register_model("wanted")

    run(tmp_path, [], work)


@pytest.mark.advisory("resources-taken-over")
def test_of_two_users_that_register_a_name_at_once_one_has_it(tmp_path: Path) -> None:
    async def work(table: ModelsRoutingTable) -> None:
        async def register(user: User) -> str:
            with RequestProviderDataContext({}, user):
                try:
                    await table.register_model("wanted")
                except ConflictError:
                    return "refused"
            return user.principal

        done = await asyncio.gather(register(ALICE), register(BOB))
        assert sorted(done) == ["alice", "refused"]
        with RequestProviderDataContext({}, ALICE):
            assert (await table.get_model("backend/wanted")).identifier == "backend/wanted"

    run(tmp_path, [], work)
