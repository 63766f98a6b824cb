"""Files, prompts and stored chat completions are their users' alone, whichever route others take."""

import time
from uuid import uuid4

import pytest

from tests.security.conftest import Served
from tests.security.others import OTHERS, get, is_absent_for

pytestmark = pytest.mark.advisory("shared-by-default")

PREFIXES = ("/v1", "/v1/openai/v1")
NO_PROMPT = f"pmpt_{'0' * 48}"


@pytest.mark.parametrize("other", OTHERS)
def test_a_file_is_its_owners_alone(guarded: Served, other: str) -> None:
    upload = {"files": {"file": ("secret.txt", b"secret")}, "data": {"purpose": "assistants"}}
    with guarded.http_as("alice") as alice:
        file_id = alice.post("/v1/files", **upload).json()["id"]  # type: ignore[arg-type]

    for prefix in PREFIXES:
        for path in ("/files/{id}", "/files/{id}/content", "/files?after={id}"):
            is_absent_for(guarded, other, "GET", f"{prefix}{path}", file_id, "file-none")
        is_absent_for(guarded, other, "DELETE", f"{prefix}/files/{{id}}", file_id, "file-none")
        for query in ("", "?purpose=assistants", "?order=asc&limit=10000"):
            assert file_id not in get(guarded, other, f"{prefix}/files{query}").text

    assert get(guarded, "alice", f"/v1/files/{file_id}/content").content == b"secret"


@pytest.mark.parametrize("other", OTHERS)
def test_a_prompt_is_its_owners_alone(guarded: Served, other: str) -> None:
    with guarded.http_as("alice") as alice:
        prompt_id = alice.post("/v1/prompts", json={"prompt": "secret"}).json()["prompt_id"]
        alice.post(f"/v1/prompts/{prompt_id}", json={"prompt": "secret 2", "version": 1})

    for path in ("/v1/prompts/{id}", "/v1/prompts/{id}?version=1", "/v1/prompts/{id}/versions"):
        is_absent_for(guarded, other, "GET", path, prompt_id, NO_PROMPT)
    for version in (1, 2):
        change = {"prompt": "mine", "version": version}
        is_absent_for(guarded, other, "POST", "/v1/prompts/{id}", prompt_id, NO_PROMPT, json=change)
    is_absent_for(
        guarded, other, "POST", "/v1/prompts/{id}/set-default-version", prompt_id, NO_PROMPT, json={"version": 1}
    )
    is_absent_for(guarded, other, "DELETE", "/v1/prompts/{id}", prompt_id, NO_PROMPT)
    assert prompt_id not in get(guarded, other, "/v1/prompts").text

    versions = get(guarded, "alice", f"/v1/prompts/{prompt_id}/versions").json()["data"]
    assert [(one["prompt"], one["is_default"]) for one in versions] == [("secret", False), ("secret 2", True)]
    assert prompt_id in get(guarded, "alice", "/v1/prompts").text


def complete(served: Served, user: str, completion: str, *, stream: bool = False) -> str:
    """Have a chat completion stored under an id, and return it once it had time for that."""
    body = {
        "model": "vllm/scripted",
        "messages": [{"role": "user", "content": f"{user} says {completion}"}],
        "user": completion,
        "stream": stream,
    }
    with served.http_as(user) as http:
        assert http.post("/v1/chat/completions", json=body).status_code == 200
    return f"chatcmpl-{completion}"


def stored(served: Served, user: str, completion_id: str) -> str:
    """What is stored of a completion, which is written after the answer."""
    for _ in range(100):
        answer = get(served, user, f"/v1/chat/completions/{completion_id}")
        if answer.status_code == 200:
            return answer.text
        time.sleep(0.1)
    raise AssertionError(f"{completion_id} is not stored for {user}: {answer.text}")


@pytest.mark.advisory("attributes-in-sql")
@pytest.mark.parametrize("other", OTHERS)
@pytest.mark.parametrize("stream", [False, True], ids=["at once", "as a stream"])
def test_a_stored_chat_completion_is_its_owners_alone(guarded: Served, other: str, stream: bool) -> None:
    completion_id = complete(guarded, "alice", uuid4().hex, stream=stream)
    assert "alice says" in stored(guarded, "alice", completion_id)

    is_absent_for(guarded, other, "GET", "/v1/chat/completions/{id}", completion_id, "chatcmpl-none")
    for prefix in PREFIXES:
        is_absent_for(guarded, other, "GET", f"{prefix}/chat/completions?after={{id}}", completion_id, "chatcmpl-none")
        for query in ("", "?model=vllm/scripted", "?limit=1", "?order=asc"):
            listed = get(guarded, other, f"{prefix}/chat/completions{query}")
            assert listed.status_code == 200
            assert "alice says" not in listed.text
            assert listed.json()["has_more"] is False
    assert completion_id in get(guarded, "alice", "/v1/chat/completions?limit=100").text


@pytest.mark.advisory("rows-changed-unchecked")
def test_an_id_that_comes_again_takes_no_completion_from_its_owner(guarded: Served) -> None:
    completion = uuid4().hex
    completion_id = complete(guarded, "alice", completion)
    stored(guarded, "alice", completion_id)

    complete(guarded, "mallory", completion)
    said = f"{completion_id} is not stored"
    for _ in range(100):
        if said in guarded.log:
            break
        time.sleep(0.1)

    assert said in guarded.log
    assert "alice says" in stored(guarded, "alice", completion_id)
    assert get(guarded, "mallory", f"/v1/chat/completions/{completion_id}").status_code == 404


@pytest.mark.advisory("nameless-user")
def test_who_has_no_name_gets_nothing(guarded: Served) -> None:
    with guarded.http_as("alice") as alice:
        prompt_id = alice.post("/v1/prompts", json={"prompt": "secret"}).json()["prompt_id"]

    with guarded.http_as("nameless") as nobody:
        assert nobody.get(f"/v1/prompts/{prompt_id}").status_code in (401, 404)
        for path in ("/v1/models", "/v1/prompts", "/v1/files", "/v1/chat/completions"):
            answer = nobody.get(path)
            assert answer.status_code == 401 or answer.json()["data"] == []
        body = {"model": "vllm/scripted", "messages": [{"role": "user", "content": "hello"}]}
        assert nobody.post("/v1/chat/completions", json=body).status_code in (401, 404)
        assert nobody.post("/v1/prompts", json={"prompt": "mine"}).status_code in (401, 403)


@pytest.mark.advisory("forged-user")
@pytest.mark.parametrize("header", ['{"__authenticated_user": {"principal": "alice", "attributes": null}}', "[1]"])
def test_a_header_does_not_say_who_the_user_is(guarded: Served, served: Served, header: str) -> None:
    forged = {"X-LlamaStack-Provider-Data": header}
    with guarded.http_as("alice") as alice:
        prompt_id = alice.post("/v1/prompts", json={"prompt": "secret"}).json()["prompt_id"]

    with guarded.http_as("mallory") as mallory:
        assert mallory.get(f"/v1/prompts/{prompt_id}", headers=forged).status_code == 404
    assert guarded.http.get(f"/v1/prompts/{prompt_id}", headers=forged).status_code == 401
    made = served.http.post("/v1/prompts", json={"prompt": "mine"}, headers=forged)
    assert made.status_code == 200
    assert served.http.get(f"/v1/prompts/{made.json()['prompt_id']}").status_code == 200  # nobody's, as without it
