"""Every condition, of resources with an owner, with one that has no attributes, and without any."""

from dataclasses import dataclass
from typing import Any

import pytest
from llama_stack.core.access_control.access_control import is_action_allowed
from llama_stack.core.access_control.datatypes import AccessRule, Action, Scope
from llama_stack.core.datatypes import User

from providers.access.conditions import parse

ALICE = User("alice", {"teams": ["red"], "roles": ["admin"]})
RITA = User("rita", {"teams": ["red", "green"]})
BOB = User("bob", {"teams": ["blue"]})
CAROL = User("carol", None)
NAMELESS = User("", {"teams": ["red"]})


@dataclass
class Resource:
    """Something that a user owns, or nobody."""

    owner: User | None
    type: str = "model"
    identifier: str = "small"


HELD_BY = [
    # condition, owner, who meets it, of alice, rita, bob and carol
    ("user is owner", ALICE, "alice"),
    ("user is owner", CAROL, "carol"),
    ("user is owner", None, ""),
    ("user is owner", NAMELESS, ""),
    ("user is not owner", ALICE, "rita bob carol"),
    ("user is not owner", None, "alice rita bob carol"),
    ("resource is unowned", ALICE, ""),
    ("resource is unowned", CAROL, ""),
    ("resource is unowned", None, "alice rita bob carol"),
    ("resource is unowned", NAMELESS, "alice rita bob carol"),
    ("user in owners teams", ALICE, "alice rita"),
    ("user in owners teams", BOB, "bob"),
    ("user in owners teams", CAROL, ""),
    ("user in owners teams", None, ""),
    ("user in owners teams", NAMELESS, ""),
    ("user in owners roles", RITA, ""),
    ("user not in owners teams", ALICE, "bob carol"),
    ("user not in owners teams", None, "alice rita bob carol"),
    ("user with red in teams", None, "alice rita"),
    ("user with red in teams", BOB, "alice rita"),
    ("user with admin in roles", CAROL, "alice"),
    ("user with red not in teams", None, "bob carol"),
    ("user with % in teams", ALICE, ""),
]


@pytest.mark.advisory("access-without-attributes")
@pytest.mark.parametrize(("condition", "owner", "users"), HELD_BY, ids=lambda one: getattr(one, "principal", one))
def test_whom_a_condition_holds_for(
    condition: str, owner: User | None, users: str, capfd: pytest.CaptureFixture[str]
) -> None:
    resource: Any = Resource(owner)
    # By llama-stack's own way to ask, too.
    policy = [AccessRule(permit=Scope(actions=[Action.READ]), when=condition)]

    held = [one.principal for one in (ALICE, RITA, BOB, CAROL) if parse(condition).matches(resource, one)]
    allowed = [
        one.principal for one in (ALICE, RITA, BOB, CAROL) if is_action_allowed(policy, Action.READ, resource, one)
    ]

    assert held == allowed == users.split()
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize("text", ["resource is public", "user is", "user in owner teams", ""])
def test_a_condition_that_nobody_knows_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match="Invalid condition"):
        parse(text)
