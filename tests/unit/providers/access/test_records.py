"""Who may see and handle a record, of those that ask for it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from llama_stack.core.access_control.access_control import AccessDeniedError
from llama_stack.core.access_control.datatypes import AccessRule
from llama_stack.core.datatypes import User
from llama_stack.core.request_headers import request_provider_data_context

from providers.access.records import Access, Owner

ALICE = User("alice", {"teams": ["red"]})
RITA = User("rita", {"teams": ["red"]})
CAROL = User("carol", {"teams": ["blue"]})
PLAIN = User("plain", None)
OTHER_PLAIN = User("other", None)
KIND = "sql_record::files"


def rules(*entries: dict[str, object]) -> list[AccessRule]:
    """A policy as a run config writes it."""
    return [AccessRule.model_validate(entry) for entry in entries]


NO_RULES: list[AccessRule] = []
OWNERS_ONLY = rules({"permit": {"actions": ["read", "delete"]}, "when": "user is owner"})
READERS = rules(
    {"permit": {"actions": ["read"]}},
    {"permit": {"actions": ["create", "delete"]}, "when": "user is owner"},
)
TEAMS = rules({"permit": {"actions": ["create", "read", "delete"]}, "when": "user in owners teams"})
THIS_KIND = rules({"permit": {"actions": ["read"], "resource": f"{KIND}::*"}})
OTHER_KIND = rules({"permit": {"actions": ["read"], "resource": "sql_record::other::*"}})
UNOWNED_TOO = rules({"permit": {"actions": ["read"]}, "when": "resource is unowned"})


@contextmanager
def request_of(user: Any) -> Iterator[None]:
    """A request, with the user that authentication has found."""
    with request_provider_data_context({}, user):
        yield


def owned_by(user: User | None) -> Owner:
    """The owner of what a user makes."""
    with request_of(user):
        return Access([], KIND).owner()


@pytest.mark.parametrize(
    ("user", "owner", "listed"),
    [
        (None, Owner(), ""),
        (ALICE, Owner("alice", {"teams": ["red"]}), "alice"),
        (PLAIN, Owner("plain", None), "plain"),
    ],
)
def test_a_record_belongs_to_who_makes_it(user: User | None, owner: Owner, listed: str) -> None:
    assert owned_by(user) == owner
    with request_of(user):
        assert Access([], KIND).only_of() == listed
        assert Access(READERS, KIND).only_of() == ("" if user is None else None)


@pytest.mark.parametrize(
    ("policy", "maker", "reader", "sees"),
    [
        (NO_RULES, None, None, True),
        (NO_RULES, None, ALICE, False),
        (NO_RULES, ALICE, None, False),
        (NO_RULES, ALICE, ALICE, True),
        (NO_RULES, ALICE, RITA, False),
        (NO_RULES, ALICE, PLAIN, False),
        (NO_RULES, PLAIN, PLAIN, True),
        (NO_RULES, PLAIN, OTHER_PLAIN, False),
        (OWNERS_ONLY, ALICE, ALICE, True),
        (OWNERS_ONLY, ALICE, RITA, False),
        (OWNERS_ONLY, None, None, True),
        (OWNERS_ONLY, ALICE, None, False),
        (READERS, ALICE, CAROL, True),
        (READERS, PLAIN, OTHER_PLAIN, True),
        (TEAMS, ALICE, RITA, True),
        (TEAMS, ALICE, CAROL, False),
        (TEAMS, PLAIN, OTHER_PLAIN, False),
        (TEAMS, None, ALICE, False),
        (THIS_KIND, ALICE, CAROL, True),
        (OTHER_KIND, ALICE, ALICE, False),
        (UNOWNED_TOO, None, ALICE, True),
        (UNOWNED_TOO, ALICE, ALICE, False),
    ],
)
def test_who_sees_a_record(policy: list[AccessRule], maker: User | None, reader: User | None, sees: bool) -> None:
    with request_of(reader):
        assert Access(policy, KIND).may("read", "one", owned_by(maker)) is sees


@pytest.mark.parametrize(
    ("policy", "maker", "user", "may"),
    [
        (NO_RULES, None, None, True),
        (NO_RULES, ALICE, ALICE, True),
        (READERS, ALICE, ALICE, True),
        (READERS, ALICE, RITA, False),
        (TEAMS, ALICE, RITA, True),
        (THIS_KIND, ALICE, ALICE, False),
    ],
)
def test_who_of_those_that_see_a_record_may_remove_it(
    policy: list[AccessRule], maker: User | None, user: User | None, may: bool
) -> None:
    owner, access = owned_by(maker), Access(policy, KIND)

    with request_of(user):
        if may:
            access.require("delete", "one", owner)
        else:
            with pytest.raises(AccessDeniedError, match=f"^You may not delete {KIND}::one.$"):
                access.require("delete", "one", owner)


@pytest.mark.parametrize(("policy", "may"), [(NO_RULES, True), (TEAMS, True), (THIS_KIND, False)])
def test_who_may_make_a_record(policy: list[AccessRule], may: bool) -> None:
    with request_of(ALICE):
        if may:
            assert Access(policy, KIND).require_create() == owned_by(ALICE)
        else:
            with pytest.raises(AccessDeniedError):
                Access(policy, KIND).require_create()
