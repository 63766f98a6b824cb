"""Rows in SQL are shown to, changed and deleted by those who may, whatever their attributes are called."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from llama_stack.core.access_control.access_control import AccessDeniedError
from llama_stack.core.access_control.datatypes import AccessRule
from llama_stack.core.datatypes import User
from llama_stack.core.request_headers import RequestProviderDataContext
from llama_stack.core.storage.datatypes import SqliteSqlStoreConfig
from llama_stack.providers.utils.sqlstore.api import ColumnDefinition, ColumnType
from llama_stack.providers.utils.sqlstore.authorized_sqlstore import AuthorizedSqlStore
from llama_stack.providers.utils.sqlstore.sqlalchemy_sqlstore import SqlAlchemySqlStoreImpl
from sqlalchemy.ext.asyncio import AsyncEngine

ALICE = User("alice", {"teams": ["red"]})
RITA = User("rita", {"teams": ["red"]})
BOB = User("bob", {"teams": ["blue"]})
MALLORY = User("mallory", {"teams": ["%", "' OR '1'='1"], "teams') OR 1=1 --": ["x"]})
TEAMS_READ = [
    AccessRule.model_validate(rule)
    for rule in (
        {"permit": {"actions": ["create", "read", "update", "delete"]}, "when": "user is owner"},
        {"permit": {"actions": ["read", "update"]}, "when": "user in owners teams"},
    )
]


class Rows(SqlAlchemySqlStoreImpl):
    """A store whose connections can be closed; llama-stack's keeps no hold of some."""

    def __init__(self, config: SqliteSqlStoreConfig) -> None:
        self.engines: list[AsyncEngine] = []
        super().__init__(config)

    def create_engine(self) -> AsyncEngine:
        self.engines.append(super().create_engine())
        return self.engines[-1]


def run(tmp_path: Path, policy: list[AccessRule], work: Callable[[AuthorizedSqlStore], Awaitable[None]]) -> None:
    """Do something with an empty table `things`."""

    async def with_table() -> None:
        rows = Rows(SqliteSqlStoreConfig(db_path=str(tmp_path / "db")))
        store = AuthorizedSqlStore(rows, policy)
        await store.create_table(
            "things", {"id": ColumnDefinition(type=ColumnType.STRING, primary_key=True), "at": ColumnType.INTEGER}
        )
        await work(store)
        for engine in rows.engines:
            await engine.dispose()

    asyncio.run(with_table())


async def insert(store: AuthorizedSqlStore, user: User | None, *ids: str, at: int = 0) -> None:
    with RequestProviderDataContext({}, user):
        for number, one in enumerate(ids, at):
            await store.insert("things", {"id": one, "at": number})


async def seen(store: AuthorizedSqlStore, user: User | None, **options: Any) -> tuple[list[str], bool]:
    with RequestProviderDataContext({}, user):
        page = await store.fetch_all("things", order_by=[("at", "asc")], **options)
    return [row["id"] for row in page.data], page.has_more


@pytest.mark.advisory("shared-by-default")
@pytest.mark.advisory("attributes-in-sql")
def test_by_default_rows_are_their_owners_alone(tmp_path: Path) -> None:
    async def work(store: AuthorizedSqlStore) -> None:
        await insert(store, None, "nobodys")
        await insert(store, ALICE, "hers", at=1)
        await insert(store, User("carol", None), "carols", at=2)

        assert await seen(store, ALICE) == (["hers"], False)
        for other in (RITA, BOB, MALLORY, User("", {"teams": ["red"]})):
            assert await seen(store, other) == ([], False)
        assert await seen(store, None) == (["nobodys"], False)

    run(tmp_path, [], work)


@pytest.mark.advisory("attributes-in-sql")
def test_by_a_policy_rows_are_shared_with_a_team_and_with_nobody_else(tmp_path: Path) -> None:
    async def work(store: AuthorizedSqlStore) -> None:
        await insert(store, None, "nobodys")
        await insert(store, ALICE, "hers", at=1)

        assert await seen(store, ALICE) == await seen(store, RITA) == (["hers"], False)
        for other in (BOB, MALLORY):
            assert await seen(store, other) == ([], False)

    run(tmp_path, TEAMS_READ, work)


@pytest.mark.parametrize("policy", [[], TEAMS_READ], ids=["default", "teams"])
def test_a_page_is_full_though_others_rows_lie_between(tmp_path: Path, policy: list[AccessRule]) -> None:
    async def work(store: AuthorizedSqlStore) -> None:
        await insert(store, BOB, *(f"bob{number:02}" for number in range(30)))
        await insert(store, ALICE, "a", "b", "c", at=30)

        assert await seen(store, ALICE, limit=1) == (["a"], True)
        assert await seen(store, ALICE, limit=2, cursor=("id", "a")) == (["b", "c"], False)
        assert await seen(store, ALICE, limit=3) == (["a", "b", "c"], False)
        assert await seen(store, ALICE) == (["a", "b", "c"], False)
        with pytest.raises(ValueError, match="limit cannot be negative"):
            await seen(store, ALICE, limit=-1)

    run(tmp_path, policy, work)


@pytest.mark.parametrize("after", ["hers", "none"])
def test_a_cursor_does_not_tell_whether_another_users_row_is_there(tmp_path: Path, after: str) -> None:
    async def work(store: AuthorizedSqlStore) -> None:
        await insert(store, ALICE, "hers")

        with pytest.raises(ValueError, match=f"^Record with id='{after}' not found in table 'things'$"):
            await seen(store, BOB, cursor=("id", after))

    run(tmp_path, [], work)


@pytest.mark.advisory("rows-changed-unchecked")
@pytest.mark.parametrize("user", [BOB, MALLORY, None], ids=["bob", "mallory", "nobody"])
def test_others_neither_change_nor_delete_a_row(tmp_path: Path, user: User | None) -> None:
    async def work(store: AuthorizedSqlStore) -> None:
        await insert(store, ALICE, "hers", at=7)

        with RequestProviderDataContext({}, user):
            with pytest.raises(AccessDeniedError):
                await store.update("things", {"at": 1}, {"id": "hers"})
            with pytest.raises(AccessDeniedError):
                await store.delete("things", {"id": "hers"})
        with RequestProviderDataContext({}, ALICE):
            row = await store.fetch_one("things", {"id": "hers"})
        assert row is not None
        assert row["at"] == 7

    run(tmp_path, [], work)


@pytest.mark.advisory("rows-changed-unchecked")
def test_a_row_keeps_its_owner_whoever_changes_it(tmp_path: Path) -> None:
    async def work(store: AuthorizedSqlStore) -> None:
        await insert(store, ALICE, "hers")

        with RequestProviderDataContext({}, RITA):
            await store.update("things", {"at": 9, "owner_principal": "rita"}, {"id": "hers"})
            with pytest.raises(AccessDeniedError):
                await store.delete("things", {"id": "hers"})
        with RequestProviderDataContext({}, ALICE):
            row = await store.fetch_one("things", {"id": "hers"})
            assert row is not None
            assert (row["at"], row["owner_principal"]) == (9, "alice")
            await store.delete("things", {"id": "hers"})
        assert await seen(store, ALICE) == ([], False)

    run(tmp_path, TEAMS_READ, work)
