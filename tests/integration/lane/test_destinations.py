"""Which providers the lane sends to, with which headers, and what of a provider's config holds for it."""

import base64
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.support import scripted_backend
from tests.support.run_configs import run_config, vllm_provider
from tests.support.scripted_backend import CHAT_MODEL, ScriptedBackend
from tests.support.stack_server import StackServer, serve

HELLO = {"role": "user", "content": "hello"}


@pytest.fixture(scope="module")
def backend() -> Iterator[ScriptedBackend]:
    with scripted_backend.serve() as server:
        yield server


@pytest.fixture(scope="module")
def stack(backend: ScriptedBackend, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackServer]:
    def openai(provider_id: str, url: str = backend.url, **more: Any) -> dict[str, Any]:
        config = {"base_url": url, "refresh_models": True, **more}
        return {"provider_id": provider_id, "provider_type": "remote::openai", "config": config}

    providers = [
        openai("key", api_key="the-servers"),
        openai("none"),
        openai("one", api_key="the-servers", allowed_models=["only"]),
        openai("named", backend.url.replace("://", "://ann:word@"), api_key="the-servers"),
        vllm_provider("vllm", backend.url, allowed_models=["only"], api_token="the-servers"),
    ]
    with serve(run_config(tmp_path_factory.mktemp("stack"), {"inference": providers})) as server:
        yield server


def _chat(stack: StackServer, model: str, **headers: str) -> httpx.Response:
    body = {"model": model, "messages": [HELLO]}
    return httpx.post(f"{stack.url}/v1/chat/completions", json=body, headers=headers)


def _last_headers(backend: ScriptedBackend) -> dict[str, str]:
    return backend.headers[-1]


def test_a_service_gets_the_servers_key_through_the_lane(stack: StackServer, backend: ScriptedBackend) -> None:
    for provider in ("key", "vllm"):
        assert _chat(stack, f"{provider}/{CHAT_MODEL}").status_code == 200
        assert _last_headers(backend)["authorization"] == "Bearer the-servers"
        assert _last_headers(backend)["user-agent"] == "llama-stack"


def test_a_request_brings_its_own_key(stack: StackServer, backend: ScriptedBackend) -> None:
    for key in ("first", "second", "first"):
        for provider in ("key", "none"):
            answer = _chat(
                stack, f"{provider}/{CHAT_MODEL}", **{"X-LlamaStack-Provider-Data": f'{{"openai_api_key": "{key}"}}'}
            )
            assert answer.status_code == 200
            assert _last_headers(backend)["authorization"] == f"Bearer {key}"


def test_without_a_key_upstream_says_so(stack: StackServer, backend: ScriptedBackend) -> None:
    asked = len(backend.asked)
    answer = _chat(stack, f"none/{CHAT_MODEL}")
    assert answer.status_code == 400
    assert "API key not provided" in answer.json()["error"]["message"]
    assert len(backend.asked) == asked


def test_models_that_a_provider_may_not_be_asked_for_are_not_asked_for(
    stack: StackServer, backend: ScriptedBackend
) -> None:
    asked = len(backend.asked)
    answer = _chat(stack, f"one/{CHAT_MODEL}")
    assert answer.status_code == 400
    assert "not in the allowed models list" in answer.json()["error"]["message"]
    assert len(backend.asked) == asked
    assert _chat(stack, "one/only").status_code == 200
    # What remote::vllm is allowed to list limits no request.
    assert _chat(stack, f"vllm/{CHAT_MODEL}").status_code == 200


def test_a_name_and_a_password_in_a_url_are_for_openais_client(stack: StackServer, backend: ScriptedBackend) -> None:
    assert _chat(stack, f"named/{CHAT_MODEL}").status_code == 200
    basic = base64.b64encode(b"ann:word").decode()
    assert _last_headers(backend)["authorization"] in (f"Basic {basic}", "Bearer the-servers")
    assert _last_headers(backend)["user-agent"] != "llama-stack"
