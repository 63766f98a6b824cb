"""Owners of things in a key-value store: who sees them, and who may change them."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from llama_stack.apis.common.errors import ResourceNotFoundError
from llama_stack.core.access_control.access_control import AccessDeniedError
from llama_stack.core.access_control.datatypes import AccessRule, Action, Scope
from llama_stack.core.datatypes import User
from llama_stack.core.request_headers import RequestProviderDataContext
from llama_stack.core.storage.datatypes import SqliteKVStoreConfig
from llama_stack.providers.utils.kvstore.sqlite.sqlite import SqliteKVStoreImpl

from providers.access.owners import Owners

ALICE = User(principal="alice", attributes={"teams": ["red"]})
RITA = User(principal="rita", attributes={"teams": ["red"]})
BOB = User(principal="bob", attributes={})
SHARED = [
    AccessRule(permit=Scope(actions=[Action.CREATE, Action.READ, Action.UPDATE]), when="user is owner"),
    AccessRule(permit=Scope(actions=[Action.READ]), when="user in owners teams"),
]
NOT_FOUND = ResourceNotFoundError("one", "Thing", "things.list()")


def run[T](use: Callable[[Owners], Awaitable[T]], directory: Path, policy: list[AccessRule]) -> T:
    """Do something with the owners of things, of which "alices" is Alice's and "old" nobody's."""

    async def with_store() -> T:
        store: Any = SqliteKVStoreImpl(SqliteKVStoreConfig(db_path=str(directory / "kv.db")))
        await store.initialize()
        owners = Owners(store, policy, "thing")
        with RequestProviderDataContext(user=ALICE):
            owners.require_create()
            await owners.claim("alices")
        await owners.claim("old")
        return await use(owners)

    return asyncio.run(with_store())


@pytest.mark.parametrize(
    ("user", "policy", "seen"),
    [
        (ALICE, [], {"alices"}),
        (RITA, [], set()),
        (RITA, SHARED, {"alices"}),
        (BOB, SHARED, set()),
        (None, [], {"old"}),
    ],
)
def test_who_sees_what(tmp_path: Path, user: User | None, policy: list[AccessRule], seen: set[str]) -> None:
    async def use(owners: Owners) -> set[str]:
        with RequestProviderDataContext(user=user):
            visible = await owners.visible(["alices", "old"])
            assert visible == {one for one in ("alices", "old") if await owners.may("read", one)}
            return visible

    assert run(use, tmp_path, policy) == seen


@pytest.mark.parametrize(
    ("user", "action", "error"),
    [
        (ALICE, "update", None),
        (ALICE, "delete", AccessDeniedError),
        (RITA, "read", None),
        (RITA, "update", AccessDeniedError),
        (BOB, "read", ResourceNotFoundError),
        (BOB, "delete", ResourceNotFoundError),
        (None, "read", ResourceNotFoundError),
    ],
)
def test_what_one_may_do(tmp_path: Path, user: User | None, action: str, error: type[Exception] | None) -> None:
    async def use(owners: Owners) -> Exception | None:
        with RequestProviderDataContext(user=user):
            try:
                await owners.require(action, "alices", NOT_FOUND)
            except (AccessDeniedError, ResourceNotFoundError) as raised:
                return raised
        return None

    raised = run(use, tmp_path, SHARED)
    assert raised is None if error is None else isinstance(raised, error)


def test_who_may_make_none_is_told(tmp_path: Path) -> None:
    async def use(owners: Owners) -> None:
        with RequestProviderDataContext(user=BOB):
            owners.require_create()

    readers = [
        AccessRule(permit=Scope(actions=[Action.READ])),
        SHARED[0].model_copy(update={"when": "user with red in teams"}),
    ]
    with pytest.raises(AccessDeniedError):
        run(use, tmp_path, readers)


def test_what_is_gone_is_nobodys(tmp_path: Path) -> None:
    async def use(owners: Owners) -> set[str]:
        await owners.forget("alices")
        with RequestProviderDataContext(user=ALICE):
            return await owners.visible(["alices"])

    assert run(use, tmp_path, []) == set()
