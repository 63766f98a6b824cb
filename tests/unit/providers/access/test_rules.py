"""The default rules isolate users; those of a run config are read in their order."""

from dataclasses import dataclass
from typing import Any

import pytest
from llama_stack.core.access_control.access_control import AccessDeniedError, is_action_allowed
from llama_stack.core.access_control.datatypes import AccessRule, Action
from llama_stack.core.datatypes import User
from llama_stack.core.request_headers import parse_request_provider_data, user_from_scope

from providers.access.rules import REGISTERED, is_allowed

ALICE = User("alice", {"teams": ["red"]})
RITA = User("rita", {"teams": ["red"]})
CAROL = User("carol", {})
MALLORY = User("mallory", {})
RECORDS = ("prompt", "sql_record::openai_files", "sql_record::chat_completions", "vector_store", "session")


@dataclass
class Resource:
    """Something that a user owns, or nobody."""

    type: str
    owner: Any  # a User, or None
    identifier: str = "one"


@pytest.mark.advisory("shared-by-default")
@pytest.mark.parametrize("kind", [*REGISTERED, *RECORDS])
@pytest.mark.parametrize("owner", [ALICE, CAROL], ids=["with a team", "without attributes"])
def test_what_a_user_owns_is_the_users_alone(kind: str, owner: User) -> None:
    resource = Resource(kind, owner)
    for action in Action:
        assert is_action_allowed([], action, resource, owner)
        for other in (RITA, MALLORY):
            assert not is_action_allowed([], action, resource, other)


@pytest.mark.parametrize("kind", [*REGISTERED, *RECORDS])
@pytest.mark.parametrize("owner", [None, User("", None)], ids=["without owner", "with an owner without a name"])
def test_what_nobody_owns_is_read_if_it_is_registered(kind: str, owner: User | None) -> None:
    allowed = [action.value for action in Action if is_allowed([], action, Resource(kind, owner), ALICE)]

    assert allowed == (["read"] if kind in REGISTERED else [])


@pytest.mark.advisory("nameless-user")
def test_whom_a_token_does_not_name_may_nothing() -> None:
    nobody = user_from_scope({"principal": "", "user_attributes": {}})

    assert nobody is not None
    for owner in (None, User("", None), ALICE):
        assert not any(is_action_allowed([], action, Resource("model", owner), nobody) for action in Action)


def test_without_authentication_everything_is_allowed() -> None:
    user = user_from_scope({"type": "http"})

    assert user is None
    assert all(is_action_allowed([], action, Resource("model", None), user) for action in Action)


@pytest.mark.advisory("forged-user")
@pytest.mark.parametrize(
    ("header", "data"),
    [
        ('{"__authenticated_user": {"principal": "alice"}, "api_key": "k"}', {"api_key": "k"}),
        ('["__authenticated_user"]', None),
        ("not JSON", None),
    ],
)
def test_a_header_does_not_say_who_the_user_is(header: str, data: dict[str, str] | None) -> None:
    assert parse_request_provider_data({"X-LlamaStack-Provider-Data": header}) == data


POLICY = [
    AccessRule.model_validate(rule)
    for rule in (
        {"forbid": {"actions": ["read"], "resource": "model::secret"}, "unless": "user with red in teams"},
        {"permit": {"actions": ["read"], "resource": "model::*"}},
        {"permit": {"principal": "carol", "actions": "delete"}},
        {"permit": {"actions": ["update"]}, "when": ["user in owners teams", "user is not owner"]},
    )
]


@pytest.mark.parametrize(
    ("action", "resource", "allowed"),
    [
        ("read", Resource("model", None, "secret"), ["alice", "rita"]),
        ("read", Resource("model", None, "open"), ["alice", "rita", "carol", "mallory"]),
        ("read", Resource("models", None, "open"), []),
        ("delete", Resource("shield", ALICE), ["carol"]),
        ("update", Resource("shield", ALICE), ["rita"]),
        ("create", Resource("shield", ALICE), []),
    ],
)
def test_the_first_rule_that_applies_decides(action: Action, resource: Resource, allowed: list[str]) -> None:
    users = (ALICE, RITA, CAROL, MALLORY)

    assert [one.principal for one in users if is_allowed(POLICY, action, resource, one)] == allowed


def test_who_is_denied_is_told_nothing_of_attributes() -> None:
    resource = Resource("model", RITA)

    error = AccessDeniedError("delete", resource, ALICE)

    assert str(error) == "You may not delete model::one."
