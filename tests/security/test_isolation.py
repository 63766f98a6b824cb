"""A user can neither read, list, change nor delete what is another's, through any operation of the OpenAPI document."""

from typing import Any

import pytest

from tests.security.conftest import Served
from tests.support import attacks, belongings
from tests.support.attacks import ATTACKS, Operation
from tests.support.belongings import Belongings


@pytest.fixture(scope="module")
def document(guarded: Served) -> dict[str, Any]:
    """What the server says that it can do."""
    return dict(guarded.http_as("alice").get("/openapi.json").raise_for_status().json())


@pytest.fixture(scope="module")
def operations(document: dict[str, Any]) -> list[Operation]:
    """All operations."""
    return attacks.operations(document)


@pytest.fixture(scope="module")
def alice(guarded: Served) -> Belongings:
    """Somebody who has one of each kind."""
    return belongings.of("alice", guarded.http_as("alice"))


def test_no_operation_is_forgotten(operations: list[Operation]) -> None:
    assert {operation.name for operation in operations} == set(ATTACKS)


@pytest.mark.advisory("agents-of-all-users")
@pytest.mark.advisory("batches-of-all-users")
@pytest.mark.advisory("conversations-of-others")
@pytest.mark.advisory("jobs-of-all-users")
@pytest.mark.advisory("resources-used-unchecked")
@pytest.mark.advisory("rows-changed-unchecked")
@pytest.mark.parametrize("user", ["rita", "mallory"])
def test_nobody_else_gets_at_what_is_alices(
    guarded: Served, operations: list[Operation], alice: Belongings, user: str
) -> None:
    """Rita is of Alice's team, Mallory of none."""
    attacker = belongings.of(user, guarded.http_as(user))
    before = attacks.state(operations, alice)

    found = [wrong for operation in operations for wrong in attacks.attack(operation, alice, attacker)]

    assert not found, "\n".join(found)
    assert attacks.state(operations, alice) == before
