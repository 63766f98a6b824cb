"""Who may see and remove a file."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from llama_stack.core.access_control.access_control import AccessDeniedError, default_policy
from llama_stack.core.access_control.datatypes import AccessRule
from llama_stack.core.datatypes import User
from llama_stack.core.request_headers import request_provider_data_context

from providers.files.access import AccessControl
from providers.files.records import Owner
from tests.unit.providers.files.conftest import TABLE, file_record

ALICE = User("alice", {"teams": ["red"], "roles": ["user"]})
BOB = User("bob", {"teams": ["red"], "roles": ["user"]})
CAROL = User("carol", {"teams": ["blue"], "roles": ["user"]})
PLAIN = User("plain", None)
OTHER_PLAIN = User("other", None)


def rules(*entries: dict[str, object]) -> list[AccessRule]:
    """A policy as a run config writes it."""
    return [AccessRule.model_validate(entry) for entry in entries]


NO_RULES: list[AccessRule] = []
OWNERS_ONLY = rules({"permit": {"actions": ["read", "delete"]}, "when": "user is owner"})
READERS = rules(
    {"permit": {"actions": ["read"]}},
    {"permit": {"actions": ["delete"]}, "when": "user is owner"},
)
THIS_TABLE = rules({"permit": {"actions": ["read"], "resource": f"sql_record::{TABLE}::*"}})
OTHER_TABLE = rules({"permit": {"actions": ["read"], "resource": "sql_record::other::*"}})


@contextmanager
def request_of(user: Any) -> Iterator[None]:
    """A request, with the user that authentication has found."""
    with request_provider_data_context({}, user):
        yield


def owned_by(user: User | None) -> Owner:
    """The owner of what a user uploads."""
    with request_of(user):
        return AccessControl([], TABLE).owner()


@pytest.mark.parametrize(
    ("user", "owner"),
    [
        (None, Owner()),
        (ALICE, Owner("alice", {"teams": ["red"], "roles": ["user"]})),
        (PLAIN, Owner("plain", None)),
    ],
)
def test_a_file_belongs_to_its_uploader(user: User | None, owner: Owner) -> None:
    assert owned_by(user) == owner
    assert owner.is_nobody() == (user is None)
    with request_of(user):
        assert AccessControl([], TABLE).only_public() == (user is None)


@pytest.mark.parametrize(
    ("policy", "uploader", "reader", "sees"),
    [
        (NO_RULES, None, None, True),
        (NO_RULES, None, ALICE, True),
        (NO_RULES, ALICE, None, False),
        (NO_RULES, ALICE, ALICE, True),
        (NO_RULES, ALICE, BOB, True),
        (NO_RULES, ALICE, CAROL, False),
        (NO_RULES, ALICE, PLAIN, False),
        (NO_RULES, PLAIN, PLAIN, True),
        (NO_RULES, PLAIN, OTHER_PLAIN, False),
        (NO_RULES, PLAIN, ALICE, False),
        (default_policy(), PLAIN, OTHER_PLAIN, False),
        (default_policy(), ALICE, BOB, True),
        (OWNERS_ONLY, ALICE, ALICE, True),
        (OWNERS_ONLY, ALICE, BOB, False),
        (OWNERS_ONLY, None, None, True),
        (OWNERS_ONLY, ALICE, None, False),
        (READERS, ALICE, CAROL, True),
        (READERS, PLAIN, OTHER_PLAIN, True),
        (THIS_TABLE, ALICE, CAROL, True),
        (OTHER_TABLE, ALICE, ALICE, False),
    ],
)
def test_who_sees_a_file(policy: list[AccessRule], uploader: User | None, reader: User | None, sees: bool) -> None:
    file = file_record("file-1", owner=owned_by(uploader))

    with request_of(reader):
        assert AccessControl(policy, TABLE).may_read(file) is sees


@pytest.mark.parametrize(
    ("policy", "uploader", "user", "may"),
    [
        (NO_RULES, None, None, True),
        (NO_RULES, ALICE, BOB, True),
        (default_policy(), ALICE, BOB, True),
        (READERS, ALICE, ALICE, True),
        (READERS, ALICE, BOB, False),
        (THIS_TABLE, ALICE, ALICE, False),
    ],
)
def test_who_of_those_that_see_a_file_may_remove_it(
    policy: list[AccessRule], uploader: User | None, user: User | None, may: bool
) -> None:
    file, access = file_record("file-1", owner=owned_by(uploader)), AccessControl(policy, TABLE)

    with request_of(user):
        if may:
            access.require_delete(file)
        else:
            with pytest.raises(AccessDeniedError, match=f"sql_record::{TABLE}::file-1"):
                access.require_delete(file)
