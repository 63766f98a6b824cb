"""Services that know tokens: who they let in, what they are told, and that their being down is nobody's wrong token."""

import asyncio
import json
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs

import pytest
from llama_stack.core.datatypes import (
    CustomAuthConfig,
    GitHubTokenAuthConfig,
    KubernetesAuthProviderConfig,
    OAuth2IntrospectionConfig,
    OAuth2TokenAuthConfig,
    User,
)

from providers.authentication.errors import AuthenticationUnavailable, NotAuthenticated
from providers.authentication.oauth2 import OAuth2TokenAuthProvider
from providers.authentication.services import CustomAuthProvider, GitHubTokenAuthProvider, KubernetesAuthProvider
from tests.support import http_server
from tests.support.process import LOOPBACK, free_port

TOKEN = "a-token-of-nobody"


class Service:
    """Answers what a test says for a path, and keeps what it was asked."""

    def __init__(self) -> None:
        self.url = ""
        self.answers: dict[str, tuple[int, Any]] = {}
        self.asked: list[tuple[str, dict[str, str], str]] = []

    def answer(self, path: str, status: int, content: Any) -> None:
        self.answers[path] = (status, content)


@pytest.fixture
def service() -> Iterator[Service]:
    service = Service()

    class Answer(http_server.Handler):
        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
            service.asked.append((self.path, {name.lower(): value for name, value in self.headers.items()}, body))
            status, content = service.answers[self.path]
            self.send_response(status)
            self.end_headers()
            self.wfile.write(content if isinstance(content, bytes) else json.dumps(content).encode())

        do_POST = do_GET

    with http_server.serving(Answer) as port:
        service.url = f"http://{LOOPBACK}:{port}"
        yield service


def custom(url: str) -> CustomAuthProvider:
    return CustomAuthProvider(CustomAuthConfig(endpoint=f"{url}/validate"))


def github(url: str) -> GitHubTokenAuthProvider:
    return GitHubTokenAuthProvider(GitHubTokenAuthConfig(github_api_base_url=url))


def kubernetes(url: str) -> KubernetesAuthProvider:
    return KubernetesAuthProvider(KubernetesAuthProviderConfig(api_server_url=url))


def introspection(url: str, **options: Any) -> OAuth2TokenAuthProvider:
    asked = OAuth2IntrospectionConfig(url=f"{url}/introspect", client_id="stack", client_secret="s3cr3t", **options)
    return OAuth2TokenAuthProvider(OAuth2TokenAuthConfig(introspection=asked))


REVIEW = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
PLACES: dict[str, tuple[Callable[[str], Any], str]] = {
    "custom": (custom, "/validate"),
    "github": (github, "/user"),
    "kubernetes": (kubernetes, REVIEW),
    "introspection": (introspection, "/introspect"),
}


def outcome(provider: Any, scope: dict[str, Any] | None = None) -> User:
    async def ask() -> User:
        try:
            user: User = await provider.validate_token(TOKEN, scope)
            return user
        finally:
            await provider.close()

    return asyncio.run(ask())


IN_TROUBLE: list[tuple[int, Any]] = [(500, {}), (502, b"<html>"), (429, {}), (200, b"<html>")]
NOT_AS_DOCUMENTED: list[tuple[int, Any]] = [(201, []), (200, 7)]
TROUBLES = [(name, *answer) for name in PLACES for answer in IN_TROUBLE] + [
    # Of introspection, what is no object says that no token is active.
    (name, *answer)
    for name in PLACES
    for answer in NOT_AS_DOCUMENTED
    if name != "introspection"
]


@pytest.mark.parametrize(("name", "status", "content"), TROUBLES)
def test_a_service_in_trouble_is_unavailable(service: Service, name: str, status: int, content: Any) -> None:
    make, path = PLACES[name]
    service.answer(path, status, content)
    with pytest.raises(AuthenticationUnavailable):
        outcome(make(service.url))


@pytest.mark.parametrize("name", PLACES)
def test_a_service_that_is_not_there_is_unavailable(name: str) -> None:
    with pytest.raises(AuthenticationUnavailable, match="does not answer"):
        outcome(PLACES[name][0](f"http://{LOOPBACK}:{free_port()}"))


@pytest.mark.parametrize(
    ("name", "status", "content"),
    [
        ("custom", 401, {}),
        ("custom", 404, {}),
        ("custom", 200, {"principal": ""}),
        ("github", 401, {}),
        ("kubernetes", 401, {}),
        ("kubernetes", 201, {"status": {"userInfo": {"username": ""}}}),
        ("kubernetes", 201, {"status": {"userInfo": {}}}),
        ("introspection", 200, {"active": False, "sub": "alice"}),
        ("introspection", 200, {"active": "false", "sub": "alice"}),
        ("introspection", 200, {"sub": "alice"}),
        ("introspection", 200, {"active": True}),
        ("introspection", 200, []),
    ],
)
def test_who_is_not_known_gets_not_in(service: Service, name: str, status: int, content: Any) -> None:
    make, path = PLACES[name]
    service.answer(path, status, content)
    with pytest.raises(NotAuthenticated):
        outcome(make(service.url))


def test_a_service_of_ones_own_gets_no_secrets_of_others(service: Service) -> None:
    service.answer("/validate", 200, {"principal": "alice", "message": "welcome"})
    headers = [
        (b"authorization", f"Bearer {TOKEN}".encode()),
        (b"cookie", b"session=s3cr3t"),
        (b"proxy-authorization", b"Basic s3cr3t"),
        (b"x-llamastack-provider-data", b'{"openai_api_key": "s3cr3t"}'),
        (b"x-tenant", b"t\xe9st"),
    ]
    user = outcome(custom(service.url), {"path": "/v1/models", "headers": headers, "query_string": b"a=1&a=2"})
    assert user == User("alice", {})
    ((_, _, body),) = service.asked
    assert json.loads(body) == {
        "api_key": TOKEN,
        "request": {"path": "/v1/models", "headers": {"x-tenant": "tést"}, "params": {"a": ["1", "2"]}},
    }


def test_a_service_of_ones_own_gives_attributes(service: Service) -> None:
    service.answer("/validate", 200, {"principal": "alice", "attributes": {"teams": ["red"]}})
    assert outcome(custom(service.url)) == User("alice", {"teams": ["red"]})


def test_organizations_of_github_are_teams(service: Service) -> None:
    service.answer("/user", 200, {"login": "alice", "id": 7})
    service.answer("/user/orgs?per_page=100&page=1", 200, [{"login": f"org-{number}"} for number in range(100)])
    service.answer("/user/orgs?per_page=100&page=2", 200, [{"login": "org-100"}, "nothing", {}])
    user = outcome(github(service.url))
    assert user.principal == "alice"
    assert user.attributes == {"roles": ["alice"], "teams": [f"org-{number}" for number in range(101)]}


def test_a_token_that_may_not_tell_of_organizations_has_none(service: Service) -> None:
    service.answer("/user", 200, {"login": "alice", "id": 7})
    service.answer("/user/orgs?per_page=100&page=1", 403, {})
    assert outcome(github(service.url)).attributes == {"roles": ["alice"], "teams": []}


def test_kubernetes_says_who_a_token_is_of(service: Service) -> None:
    service.answer(REVIEW, 201, {"status": {"userInfo": {"username": "system:serviceaccount:a:b", "groups": ["g"]}}})
    user = outcome(kubernetes(service.url))
    assert user == User("system:serviceaccount:a:b", {"roles": ["system:serviceaccount:a:b", "g"]})
    assert service.asked[0][1]["authorization"] == f"Bearer {TOKEN}"


@pytest.mark.parametrize("in_body", [False, True])
def test_an_issuer_is_asked_with_the_clients_secret(service: Service, in_body: bool) -> None:
    service.answer("/introspect", 200, {"active": True, "username": "alice", "groups": ["red"]})
    assert outcome(introspection(service.url, send_secret_in_body=in_body)).principal == "alice"
    ((_, headers, body),) = service.asked
    form = parse_qs(body)
    assert form["token"] == [TOKEN]
    assert form.get("client_secret") == (["s3cr3t"] if in_body else None)
    assert headers.get("authorization") == (None if in_body else "Basic c3RhY2s6czNjcjN0")
