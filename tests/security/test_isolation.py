"""A user can neither read, list, change nor delete what is another's, through any operation of the OpenAPI document."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.security.conftest import ROOT, Served
from tests.support import attempts, belongings
from tests.support.attacks import ATTACKS
from tests.support.attempts import Operation
from tests.support.belongings import Belongings
from tests.support.image import BuiltImage
from tests.support.postgres import Postgres
from tests.support.sandboxed import serving
from tests.support.scripted_backend import ScriptedBackend


@pytest.fixture(scope="module")
def document(guarded: Served) -> dict[str, Any]:
    """What the server says that it can do."""
    return dict(guarded.http_as("alice").get("/openapi.json").raise_for_status().json())


@pytest.fixture(scope="module")
def operations(document: dict[str, Any]) -> list[Operation]:
    """All operations."""
    return attempts.operations(document)


@pytest.fixture(scope="module")
def alice(guarded: Served) -> Belongings:
    """Somebody who has one of each kind."""
    return belongings.of("alice", guarded.http_as("alice"))


@pytest.fixture(scope="module")
def bob(guarded: Served) -> Belongings:
    """Somebody else who has one of each kind."""
    return belongings.of("bob", guarded.http_as("bob"))


def test_no_operation_is_forgotten(operations: list[Operation]) -> None:
    assert {operation.name for operation in operations} == set(ATTACKS)


@pytest.mark.advisory("agents-of-all-users")
@pytest.mark.advisory("batches-of-all-users")
@pytest.mark.advisory("conversations-of-others")
@pytest.mark.advisory("jobs-of-all-users")
@pytest.mark.advisory("resources-used-unchecked")
@pytest.mark.advisory("rows-changed-unchecked")
def test_nobody_else_gets_at_what_is_alices(guarded: Served, operations: list[Operation], alice: Belongings) -> None:
    rita = belongings.of("rita", guarded.http_as("rita"))  # of Alice's team

    assert attempts.attempt(operations, alice, rita) == []


CHILDREN = [
    "/v1/vector_stores/{mine}/file_batches/{hers}",
    "/v1/vector_stores/{mine}/file_batches/{hers}/files",
]
"""Where the id of one's own store stands before that of somebody's file batch."""


@pytest.mark.advisory("resources-used-unchecked")
@pytest.mark.parametrize("path", CHILDREN)
def test_an_answer_does_not_tell_that_somebody_has_such_a_thing(alice: Belongings, bob: Belongings, path: str) -> None:
    hers, nobodys = alice["file_batch_id"], "batch_00000000-0000-0000-0000-000000000000"

    told = bob.http.get(path.format(mine=bob["vector_store_id"], hers=hers))
    unknown = bob.http.get(path.format(mine=bob["vector_store_id"], hers=nobodys))

    assert told.status_code == unknown.status_code == 404
    assert told.text.replace(hers, "ID") == unknown.text.replace(nobodys, "ID")


def test_who_has_nothing_in_common_with_her_gets_at_nothing(
    guarded: Served, operations: list[Operation], alice: Belongings
) -> None:
    mallory = belongings.of("mallory", guarded.http_as("mallory"))

    assert attempts.attempt(attempts.one_of_each(operations), alice, mallory) == []


def test_nobody_else_gets_at_it_in_postgresql(
    built: BuiltImage,
    backend: ScriptedBackend,
    environment: dict[str, str],
    token_service: str,
    postgres: Postgres,
    operations: list[Operation],
    tmp_path: Path,
) -> None:
    database = postgres.new_database()
    address = {
        "POSTGRES_HOST": database.host,
        "POSTGRES_PORT": str(database.port),
        "POSTGRES_DB": database.database,
        "POSTGRES_USER": database.user,
        "POSTGRES_PASSWORD": database.password,
    }
    config: dict[str, Any] = yaml.safe_load((ROOT / "run.yaml").read_text())
    config["server"]["auth"] = {"provider_config": {"type": "custom", "endpoint": token_service}}
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(config))
    with serving(built, environment | address, tmp_path, "--config", "/data/run.yaml") as url:
        users = Served(url, tmp_path, backend)
        alice, rita = (belongings.of(user, users.http_as(user)) for user in ("alice", "rita"))

        assert attempts.attempt(attempts.one_of_each(operations), alice, rita) == []
