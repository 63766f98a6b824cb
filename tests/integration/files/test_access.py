"""Authentication, access rules and quota hold on the streaming routes as on llama-stack's own."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from openai import NotFoundError, OpenAI, PermissionDeniedError
from openai.resources.files import Files

from tests.integration.files import web
from tests.integration.files.places import LocalPlace
from tests.integration.files.serving import Home
from tests.support import token_service
from tests.support.run_configs import sqlite_sql
from tests.support.stack_server import StackServer

TEAMS = {"alice": ["red"], "bob": ["blue"], "rita": ["red"], "carol": [], "dave": []}
MEMBERS_READ_OWNERS_DELETE = [
    {"permit": {"actions": ["create", "read"]}, "when": "user in owners teams"},
    {"permit": {"actions": ["delete"]}, "when": "user is owner"},
]


@pytest.fixture(scope="module")
def auth() -> Iterator[dict[str, Any]]:
    """A service that knows the users."""
    with token_service.serve({user: {"teams": teams} if teams else {} for user, teams in TEAMS.items()}) as provider:
        yield provider


def serve(directory: Path, provider: dict[str, Any], **auth: Any) -> Any:
    """Serve files to those whom the service knows."""
    home = Home(LocalPlace(directory / "contents"), directory, sqlite_sql(directory))
    return home.serve(server={"auth": {"provider_config": provider, **auth}})


@pytest.fixture(scope="module")
def stack(auth: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackServer]:
    """A server with the default rules: a file is its owner's alone."""
    with serve(tmp_path_factory.mktemp("home"), auth) as server:
        yield server


def files_of(stack: StackServer, user: str) -> Files:
    return OpenAI(base_url=f"{stack.url}/v1", api_key=user, max_retries=0).files


def test_nobody_gets_in_without_a_token(stack: StackServer) -> None:
    upload = web.post(f"{stack.url}/v1/files", files={"file": ("f", b"x")}, data={"purpose": "assistants"})
    assert upload.status_code == 401
    file_id = files_of(stack, "alice").create(file=("f", b"x"), purpose="assistants").id
    for method in (web.get, web.head):
        assert method(f"{stack.url}/v1/files/{file_id}/content").status_code == 401
    files_of(stack, "alice").delete(file_id)


@pytest.mark.parametrize(
    ("owner", "others"),
    [("alice", ["rita", "bob", "carol"]), ("carol", ["alice", "dave"])],
    ids=["with a team", "without attributes"],
)
def test_a_file_is_its_owners_alone(stack: StackServer, owner: str, others: list[str]) -> None:
    file_id = files_of(stack, owner).create(file=("f", b"secret"), purpose="assistants").id
    mine = files_of(stack, owner)
    assert mine.content(file_id).read() == b"secret"
    assert [file.id for file in mine.list()] == [file_id]
    for user in others:
        files = files_of(stack, user)
        for use in (files.retrieve, files.content, files.delete):
            with pytest.raises(NotFoundError):
                use(file_id)
        assert list(files.list()) == []
        with pytest.raises(NotFoundError):
            files.list(after=file_id)
    files_of(stack, owner).delete(file_id)


def test_a_page_is_full_though_others_have_files_between(stack: StackServer) -> None:
    alice, bob = files_of(stack, "alice"), files_of(stack, "bob")
    made = []
    for _ in range(3):
        made.append(alice.create(file=("a", b"x"), purpose="assistants").id)
        made.append(bob.create(file=("b", b"x"), purpose="assistants").id)
    page = alice.list(limit=2)
    assert len(page.data) == 2
    assert {file.id for file in page} == set(made[::2])
    for number, file_id in enumerate(made):
        (bob if number % 2 else alice).delete(file_id)


def test_the_rules_of_the_config_hold(auth: dict[str, Any], tmp_path: Path) -> None:
    with serve(tmp_path, auth, access_policy=MEMBERS_READ_OWNERS_DELETE) as stack:
        file_id = files_of(stack, "alice").create(file=("f", b"x"), purpose="assistants").id
        assert files_of(stack, "rita").content(file_id).read() == b"x"
        with pytest.raises(PermissionDeniedError):
            files_of(stack, "rita").delete(file_id)
        with pytest.raises(NotFoundError):
            files_of(stack, "bob").content(file_id)
        assert files_of(stack, "alice").delete(file_id).deleted


def test_uploads_and_downloads_count_for_the_quota(tmp_path: Path) -> None:
    home = Home(LocalPlace(tmp_path / "contents"), tmp_path, sqlite_sql(tmp_path))
    quota = {
        "kvstore": {"backend": "kv_default", "namespace": "quota"},
        "anonymous_max_requests": 4,
        "authenticated_max_requests": 4,
        "period": "day",
    }
    with home.serve(server={"quota": quota}) as stack:
        answers = [_upload(stack) for _ in range(5)]
    # The request for the server's health was the first one.
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]


def _upload(stack: StackServer) -> httpx.Response:
    return web.post(f"{stack.url}/v1/files", files={"file": ("f", b"x")}, data={"purpose": "assistants"})
