"""Nobody gets past authentication, however it is switched on; routes that are off are off for everybody."""

import http.client
import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import yaml

from tests.security.conftest import ROOT, Served
from tests.support import http_server, identity_provider
from tests.support.identity_provider import ISSUER, IdentityProvider
from tests.support.image import BuiltImage
from tests.support.process import LOOPBACK
from tests.support.sandboxed import serving
from tests.support.scripted_backend import ScriptedBackend

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
OPEN = {("GET", "/v1/health"), ("GET", "/v1/version")}
ALICE, BOB = "3vN9oYwJ4l2kP0sZ", "kq8Vd1xQm5Tz7Rb2"
MOST_REQUESTS = 25

# Prints every route that the application has, in the OpenAPI document or not.
ROUTES_OF_THE_APPLICATION = """
import json
from llama_stack.core.server.server import create_app
print(json.dumps(sorted({route.path for route in create_app().routes})))
"""


@pytest.fixture(scope="session")
def paths(built: BuiltImage, guarded: Served, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What the image serves, as paths with something in place of each parameter."""
    data = tmp_path_factory.mktemp("routes")
    ran = built.run("python", "-c", ROUTES_OF_THE_APPLICATION, data=data)
    assert ran.returncode == 0, ran.stderr
    templates = {*json.loads(ran.stdout.splitlines()[-1]), *_documented(guarded.http_as("alice"))}
    assert {"/v1/chat/completions", "/docs", "/openapi.json", "/redoc", "/v1/inspect/routes"} <= templates
    return sorted({"/".join("x" if step.startswith("{") else step for step in one.split("/")) for one in templates})


def _documented(http: httpx.Client) -> dict[str, Any]:
    documented: dict[str, Any] = http.get("/openapi.json").raise_for_status().json()["paths"]
    return documented


@pytest.mark.parametrize(
    "headers",
    [{}, {"Authorization": "Bearer eve"}, {"Authorization": "Basic YWxpY2U6"}, {"Authorization": "Bearer"}],
    ids=["no token", "a wrong token", "another scheme", "no token after all"],
)
def test_no_route_answers_without_a_token(guarded: Served, paths: list[str], headers: dict[str, str]) -> None:
    answered = []
    for path, method in product(paths, METHODS):
        answer = guarded.http.request(method, path, headers=headers)
        if answer.status_code != 401:
            answered.append((method, path))
        else:
            assert answer.headers["www-authenticate"] == "Bearer"
            assert method == "HEAD" or answer.json()["error"]["code"] == "invalid_api_key"
    assert set(answered) == OPEN


@pytest.mark.parametrize(
    "target",
    [
        "//v1/models",
        "///v1/models",
        "/v1/models/",
        "/v1//models",
        "/v1/%6dodels",
        "/v1/models%0a",
        "/v1/models%00",
        "/v1/health%0a",
        "/v1/health/../models",
        "/v1/health%2f..%2fmodels",
        "/v1/health;/../models",
        "/v1/health/",
        "/%76%31/models",
        "/v1/models?x=/v1/health",
        "/v1/models#/v1/health",
        "http://localhost/v1/models",
        "/docs/oauth2-redirect",
        "/docs/",
        "/favicon.ico",
        "/static/",
        "/metrics",
        "/v1/%ff%fe",
        "*",
    ],
)
@pytest.mark.parametrize("method", ["GET", "OPTIONS", "HEAD", "BREW"])
def test_no_spelling_of_a_path_gets_past(guarded: Served, target: str, method: str) -> None:
    # A method that the HTTP parser does not know is no request.
    assert _raw(guarded.url, method, target, {}) == (400 if method == "BREW" else 401)


def _raw(url: str, method: str, target: str, headers: dict[str, bytes]) -> int:
    """Send a request as it is, which no client would, and return the status."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
    connection.putrequest(method, target, skip_accept_encoding=True)
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders()
    status = connection.getresponse().status
    connection.close()
    return status


def test_an_upgrade_gets_nobody_in(guarded: Served) -> None:
    headers = {
        "Connection": b"Upgrade",
        "Upgrade": b"websocket",
        "Sec-WebSocket-Version": b"13",
        "Sec-WebSocket-Key": b"dGhlIHNhbXBsZSBub25jZQ==",
    }
    assert _raw(guarded.url, "GET", "/v1/models", headers) in (401, 403)


@pytest.mark.advisory("answers-to-strangers")
def test_a_wrong_token_is_one_line_of_the_log_without_it(guarded: Served) -> None:
    before = len(guarded.log)
    assert guarded.http_as("a-token-of-nobody-at-all").get("/v1/prompts").status_code == 401
    said = guarded.log[before:]
    assert said.count("was not let in") == 1
    assert "GET '/v1/prompts' from 127.0.0.1 was not let in: " in said
    assert "a-token-of-nobody-at-all" not in guarded.log
    assert "Traceback" not in said


@pytest.fixture(scope="module")
def issuer() -> Iterator[IdentityProvider]:
    with identity_provider.serve() as provider:
        yield provider


@pytest.fixture(scope="module")
def with_an_issuer(
    built: BuiltImage, backend: ScriptedBackend, issuer: IdentityProvider, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    """The image as it is, told by its environment alone whose tokens to take."""
    data = tmp_path_factory.mktemp("issuer")
    environment = {"VLLM_URL": backend.url, "AUTH_JWKS_URL": issuer.url, "AUTH_ISSUER": ISSUER}
    with serving(built, environment, data) as url:
        yield Served(url, data, backend)


@pytest.mark.advisory("token-validation")
def test_signed_tokens_get_those_in_whom_the_issuer_means(with_an_issuer: Served, issuer: IdentityProvider) -> None:
    def status(token: str) -> int:
        return with_an_issuer.http_as(token).get("/v1/models").status_code

    assert status(issuer.token()) == 200
    wrong = [issuer.token(lifetime=-60), issuer.token(aud="others"), issuer.token(iss="https://others.test")]
    strange = [issuer.token(key_id=f"made-up-{number}") for number in range(50)]
    assert {status(token) for token in [*wrong, *strange, "a.b.c"]} == {401}
    assert issuer.fetched <= 3
    assert status(issuer.token("bob")) == 200
    assert "Traceback" not in with_an_issuer.log


@dataclass(frozen=True)
class WithTokens:
    """The image with a file of tokens."""

    served: Served
    file: Path


@pytest.fixture(scope="module")
def with_tokens(
    built: BuiltImage, backend: ScriptedBackend, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[WithTokens]:
    """The image as it is, told by its environment alone where its tokens are."""
    data = tmp_path_factory.mktemp("tokens")
    file = data / "tokens"
    file.write_text(f"# rotated by hand\n{ALICE},alice\n")
    with serving(built, {"VLLM_URL": backend.url, "AUTH_TOKENS_FILE": "/data/tokens"}, data) as url:
        yield WithTokens(Served(url, data, backend), file)


def test_tokens_of_a_file_are_rotated_without_a_restart(with_tokens: WithTokens) -> None:
    def statuses() -> list[int]:
        return [with_tokens.served.http_as(token).get("/v1/models").status_code for token in (ALICE, BOB)]

    with_tokens.file.write_text(f"{ALICE},alice\n")
    assert statuses() == [200, 401]
    with_tokens.file.write_text(f"{BOB},alice\n")
    assert statuses() == [401, 200]
    with_tokens.file.write_text("too-short\n")
    assert statuses() == [503, 503]
    assert with_tokens.served.http.get("/v1/models").status_code == 401
    assert with_tokens.served.http.get("/v1/health").status_code == 200
    with_tokens.file.write_text(f"{BOB},alice\n")
    assert statuses() == [401, 200]
    assert with_tokens.served.http_as(BOB).get("/v1/providers").status_code == 200
    assert ALICE not in with_tokens.served.log
    assert BOB not in with_tokens.served.log


def test_a_start_says_whether_anybody_gets_in(served: Served, with_tokens: WithTokens) -> None:
    (line,) = [one for one in served.log.splitlines() if "(open-server)" in one]
    assert "warning: Nobody has to authenticate, and the server listens on 0.0.0.0. Set AUTH_JWKS_URL" in line
    assert "open-server" not in with_tokens.served.log


@dataclass(frozen=True)
class Restricted:
    """The image with a service that validates tokens, a quota and routes that are off."""

    served: Served
    asked: list[dict[str, Any]]
    """What the service was asked."""


@pytest.fixture(scope="module")
def restricted(
    built: BuiltImage, environment: dict[str, str], backend: ScriptedBackend, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Restricted]:
    asked: list[dict[str, Any]] = []

    class Answer(http_server.Handler):
        def do_POST(self) -> None:
            asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps({"principal": asked[-1]["api_key"].partition("-")[0]}).encode())

    data = tmp_path_factory.mktemp("restricted")
    config: dict[str, Any] = yaml.safe_load((ROOT / "run.yaml").read_text())
    with http_server.serving(Answer) as port:
        config["server"] |= {
            "quota": {
                "kvstore": {"backend": "kv_default", "namespace": "quota"},
                "anonymous_max_requests": 1,
                "authenticated_max_requests": MOST_REQUESTS,
            },
            "auth": {
                "provider_config": {"type": "custom", "endpoint": f"http://{LOOPBACK}:{port}/validate"},
                "route_policy": [
                    {"forbid": {"paths": ["/v1/embeddings", "/v1/toolgroups*", "/docs"]}},
                    {"permit": {"paths": "*"}},
                ],
            },
        }
        (data / "run.yaml").write_text(yaml.safe_dump(config))
        with serving(built, environment, data, "--config", "/data/run.yaml") as url:
            yield Restricted(Served(url, data, backend), asked)


@pytest.mark.advisory("headers-passed-on")
def test_who_validates_tokens_gets_no_other_secrets(restricted: Restricted) -> None:
    headers = {
        "Cookie": "session=s3cr3t",
        "X-LlamaStack-Provider-Data": '{"openai_api_key": "s3cr3t"}',
        "X-Team": "red",
    }
    assert restricted.served.http_as("headers").get("/v1/models", headers=headers).status_code == 200
    (asked,) = [one for one in restricted.asked if one["api_key"] == "headers"]
    assert "s3cr3t" not in json.dumps(asked)
    assert asked["request"]["headers"]["x-team"] == "red"


@pytest.mark.advisory("quota-keeps-tokens")
def test_users_are_counted_and_not_their_tokens(restricted: Restricted) -> None:
    tokens = [f"counted-{number:030}" for number in range(MOST_REQUESTS + 1)]
    statuses = [restricted.served.http_as(token).get("/v1/models").status_code for token in tokens]
    assert statuses == [200] * MOST_REQUESTS + [429]
    assert restricted.served.http_as("another").get("/v1/models").status_code == 200
    database = b"".join(file.read_bytes() for file in restricted.served.data.glob("kvstore.db*"))
    assert b"user:counted" in database
    assert tokens[0].encode() not in database


@pytest.mark.parametrize(
    "path",
    ["/v1/embeddings", "/v1/embeddings/", "/v1/openai/v1/embeddings", "/v1/embeddings%0a", "/v1/toolgroups/x", "/docs"],
)
def test_a_route_that_is_off_answers_nobody(restricted: Restricted, path: str) -> None:
    body = {"model": "vllm-embedding/scripted-embedding", "input": "hello"}
    method = "POST" if "embeddings" in path else "GET"
    answer = restricted.served.http_as("switched").request(method, path, json=body)
    assert answer.status_code == 403
    assert answer.json()["error"]["type"] == "permission_error"
    assert restricted.served.http.request(method, path, json=body).status_code == 401


def test_a_route_that_is_off_is_not_documented(restricted: Restricted) -> None:
    documented = _documented(restricted.served.http_as("reader"))
    assert "/v1/chat/completions" in documented
    assert not {"/v1/embeddings", "/v1/openai/v1/embeddings", "/v1/toolgroups"} & documented.keys()


@pytest.mark.parametrize(("endpoint", "status"), [("/v1/embeddings", 403), ("/v1/chat/completions", 200)])
def test_a_batch_reaches_no_route_that_is_off(restricted: Restricted, endpoint: str, status: int) -> None:
    http = restricted.served.http_as("batcher")
    line = {"custom_id": "1", "method": "POST", "url": endpoint, "body": {"model": "vllm/scripted", "messages": []}}
    file = http.post("/v1/files", data={"purpose": "batch"}, files={"file": ("b.jsonl", json.dumps(line))}).json()
    batch = {"input_file_id": file["id"], "endpoint": endpoint, "completion_window": "24h"}
    assert http.post("/v1/batches", json=batch).status_code == status
