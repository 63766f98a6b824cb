"""Users are kept apart wherever their records are: in PostgreSQL, in Redis, and without a provider of prompts."""

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.integration.files.waiting import wait_until
from tests.support import scripted_backend, token_service
from tests.support.run_configs import PROMPTS, postgres_kv, postgres_sql, redis_kv, run_config, vllm_provider
from tests.support.stack_server import StackServer, serve

USERS: dict[str, dict[str, list[str]]] = {"alice": {"teams": ["red"]}, "rita": {"teams": ["red"]}, "carol": {}}
OTHERS = ("rita", "carol")


@pytest.fixture(scope="module", params=["postgres", "redis, without a provider of prompts"])
def stack(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackServer]:
    """A server with authentication, all rows in PostgreSQL."""
    postgres = request.getfixturevalue("postgres").new_database()
    providers: dict[str, list[dict[str, Any]]] = {}
    if request.param == "postgres":
        kv_backend, providers["prompts"] = postgres_kv(postgres, "kv"), [PROMPTS]
    else:
        kv_backend = redis_kv(request.getfixturevalue("redis_server"))
    with scripted_backend.serve() as backend, token_service.serve(USERS) as auth:
        providers["inference"] = [vllm_provider("vllm", backend.url)]
        config = run_config(
            tmp_path_factory.mktemp("state"),
            providers,
            kv_backend=kv_backend,
            sql_backend=postgres_sql(postgres),
            server={"auth": {"provider_config": auth}},
        )
        with serve(config) as server:
            yield server


def http_as(stack: StackServer, user: str) -> httpx.Client:
    return httpx.Client(base_url=stack.url, headers={"Authorization": f"Bearer {user}"}, timeout=60)


def test_prompts_are_their_owners_alone(stack: StackServer) -> None:
    alice = http_as(stack, "alice")
    prompt_id = alice.post("/v1/prompts", json={"prompt": "one"}).json()["prompt_id"]
    path = f"/v1/prompts/{prompt_id}"
    assert alice.post(path, json={"prompt": "two", "version": 1}).json()["version"] == 2

    for user in OTHERS:
        other = http_as(stack, user)
        refused = [
            other.get(path),
            other.get(f"{path}/versions"),
            other.post(path, json={"prompt": "mine", "version": 2}),
            other.post(f"{path}/set-default-version", json={"version": 1}),
            other.delete(path),
        ]
        assert [answer.status_code for answer in refused] == [404] * len(refused)
        assert other.get("/v1/prompts").json()["data"] == []

    assert [one["version"] for one in alice.get(f"{path}/versions").json()["data"]] == [1, 2]
    assert [one["prompt"] for one in alice.get("/v1/prompts").json()["data"]] == ["two"]
    assert alice.delete(path).is_success


def test_stored_chat_completions_are_their_owners_alone(stack: StackServer) -> None:
    made = {}
    for user in USERS:
        completion = uuid4().hex
        body = {"model": "vllm/scripted", "messages": [{"role": "user", "content": "hello"}], "user": completion}
        assert http_as(stack, user).post("/v1/chat/completions", json=body).status_code == 200
        made[user] = f"chatcmpl-{completion}"

    for user, completion_id in made.items():
        http = http_as(stack, user)
        wait_until(lambda http=http: len(http.get("/v1/chat/completions").json()["data"]) == 1)  # type: ignore[misc]
        assert [one["id"] for one in http.get("/v1/chat/completions").json()["data"]] == [completion_id]
        for other_id in set(made.values()) - {completion_id}:
            assert http.get(f"/v1/chat/completions/{other_id}").status_code == 404
            assert http.get("/v1/chat/completions", params={"after": other_id}).status_code == 400
