"""Owners of what llama-stack keeps in a key-value store without saying whose it is: beside it, in the same store."""

import json
from collections.abc import Sequence

from llama_stack.core.access_control.datatypes import AccessRule, Action
from llama_stack.providers.utils.kvstore.api import KVStore

from providers.access.records import Access, Owner

NOBODY = Owner()


class Owners:
    """Whose the things of one type are, and what the user of the current request may do to them.

    What is older than authentication, or was made without it, is nobody's.
    """

    def __init__(self, store: KVStore, policy: Sequence[AccessRule], kind: str) -> None:
        self._store = store
        self._access = Access(policy, kind)
        self._prefix = f"owner:{kind}:"

    def require_create(self) -> None:
        """Raise AccessDeniedError if the user may not make any."""
        self._access.require_create()

    async def claim(self, identifier: str) -> None:
        """Write down that the user has made it."""
        owner = self._access.owner()
        if owner.principal:
            record = {"id": identifier, "principal": owner.principal, "attributes": owner.attributes}
            await self._store.set(self._prefix + identifier, json.dumps(record))

    async def forget(self, identifier: str) -> None:
        """Forget whose it was, once it is gone."""
        await self._store.delete(self._prefix + identifier)

    async def may(self, action: str, identifier: str) -> bool:
        """Whether the user may do it."""
        stored = await self._store.get(self._prefix + identifier)
        return self._access.may(action, identifier, _owner(stored) if stored else NOBODY)

    async def require(self, action: str, identifier: str, not_found: Exception) -> None:
        """Raise `not_found` for what the user may not see, AccessDeniedError for what they may only see."""
        stored = await self._store.get(self._prefix + identifier)
        owner = _owner(stored) if stored else NOBODY
        if not self._access.may(Action.READ, identifier, owner):
            raise not_found
        self._access.require(action, identifier, owner)

    async def visible(self, identifiers: Sequence[str]) -> set[str]:
        """Return those that the user may see."""
        stored = await self._store.values_in_range(self._prefix, f"{self._prefix}\xff")
        owners = {json.loads(one)["id"]: _owner(one) for one in stored}
        return {
            identifier
            for identifier in identifiers
            if self._access.may(Action.READ, identifier, owners.get(identifier, NOBODY))
        }


def _owner(stored: str) -> Owner:
    record = json.loads(stored)
    return Owner(record["principal"], record["attributes"])
