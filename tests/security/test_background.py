"""The user of a request stays who it is: after its client has left, in the background, after a restart."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from llama_stack.providers.utils.telemetry.tracing import TraceContext

from tests.security.conftest import ROOT, Served
from tests.support.belongings import CHAT_MODEL, EMBEDDING_MODEL, ENDED, Belongings, until
from tests.support.image import BuiltImage
from tests.support.sandboxed import serving
from tests.support.scripted_backend import ScriptedBackend


@pytest.fixture(scope="module")
def alice(guarded: Served) -> Belongings:
    """Somebody who has nothing yet, in a server with authentication."""
    return Belongings("alice", guarded.http_as("alice"))


@pytest.fixture(scope="module")
def bob(guarded: Served) -> Belongings:
    """Somebody else."""
    return Belongings("bob", guarded.http_as("bob"))


@pytest.mark.advisory("background-identity")
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/openai/v1/chat/completions"])
def test_a_completion_whose_client_has_left_is_stored_as_its_own(
    guarded: Served, alice: Belongings, bob: Belongings, path: str
) -> None:
    user = f"left-{path.count('openai')}"
    question = {"model": CHAT_MODEL, "messages": [{"role": "user", "content": "wait"}], "stream": True, "user": user}
    guarded.backend.may_go_on.clear()
    with alice.http.stream("POST", path, json=question) as answer:
        assert next(answer.iter_lines()).startswith("data: ")
    stored = f"/v1/chat/completions/chatcmpl-{user}"

    until(lambda: alice.http.get(stored), lambda answer: answer.is_success)
    guarded.backend.may_go_on.set()

    assert bob.http.get(stored).status_code == 404


@pytest.mark.advisory("batches-of-all-users")
def test_a_batch_reads_and_writes_as_who_sent_it(alice: Belongings, bob: Belongings) -> None:
    asked = {"model": CHAT_MODEL, "messages": [{"role": "user", "content": alice.word}]}
    file_id = alice.upload(
        json.dumps({"custom_id": "1", "method": "POST", "url": "/v1/chat/completions", "body": asked})
    )

    hers, his = alice.run_batch(file_id), bob.run_batch(file_id)

    assert hers["status"] == "completed"
    assert alice.word in alice.http.get(f"/v1/files/{hers['output_file_id']}/content").text
    assert bob.http.get(f"/v1/files/{hers['output_file_id']}/content").status_code == 404
    assert his["status"] == "failed"
    assert f"Cannot find file {file_id}" in his["errors"]["data"][0]["message"]


@pytest.mark.advisory("batches-of-all-users")
def test_a_batch_uses_the_models_that_its_user_may_use(alice: Belongings, bob: Belongings) -> None:
    model = alice.post("/v1/models", {"model_id": "hers-alone", "provider_id": "vllm"})["identifier"]
    asked = {"model": model, "messages": [{"role": "user", "content": "hello"}]}

    assert alice.batch(asked)["status"] == "completed"
    refused = bob.batch(asked)

    assert refused["status"] == "failed"
    assert refused["errors"]["data"][0]["code"] == "model_not_found"


@pytest.mark.advisory("batches-of-all-users")
def test_two_users_may_choose_the_same_idempotency_key(alice: Belongings, bob: Belongings) -> None:
    asked = {"model": CHAT_MODEL, "messages": [{"role": "user", "content": "hello"}]}
    hers, his = alice.batch(asked, idempotency_key="tuesday"), bob.batch(asked, idempotency_key="tuesday")

    again = alice.run_batch(hers["input_file_id"], idempotency_key="tuesday")
    request = {"endpoint": "/v1/chat/completions", "completion_window": "24h", "idempotency_key": "tuesday"}
    other = alice.http.post("/v1/batches", json={**request, "input_file_id": his["input_file_id"]})

    assert hers["id"] != his["id"]
    assert again["id"] == hers["id"]
    assert other.status_code == 409
    assert "Idempotency key 'tuesday' was previously used" in other.json()["error"]["message"]


@pytest.mark.advisory("unstored-in-conversation")
@pytest.mark.parametrize("stream", [False, True])
def test_what_is_not_to_be_stored_is_not_in_the_conversation(alice: Belongings, stream: bool) -> None:
    conversation = alice.post("/v1/conversations", {})["id"]
    items = f"/v1/conversations/{conversation}/items"
    question = {"model": CHAT_MODEL, "conversation": conversation, "stream": stream}

    unstored = alice.http.post("/v1/responses", json={**question, "input": "forget this", "store": False})
    assert unstored.is_success
    assert "forget this" in unstored.text
    assert alice.get(items)["data"] == []

    assert alice.http.post("/v1/responses", json={**question, "input": "keep this"}).is_success
    assert "keep this" in json.dumps(alice.get(items))


@pytest.mark.advisory("background-identity")
def test_an_interrupted_file_batch_goes_on_as_who_sent_it(
    built: BuiltImage, environment: dict[str, str], token_service: str, backend: ScriptedBackend, tmp_path: Path
) -> None:
    config: dict[str, Any] = yaml.safe_load((ROOT / "run.yaml").read_text())
    config["server"]["auth"] = {"provider_config": {"type": "custom", "endpoint": token_service}}
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(config))
    arguments = ("--config", "/data/run.yaml")
    backend.may_go_on.clear()
    with serving(built, environment, tmp_path, *arguments) as url:
        alice, bob = (Belongings(user, Served(url, tmp_path, backend).http_as(user)) for user in ("alice", "bob"))
        hers, his = (one.post("/v1/vector_stores", {"embedding_model": EMBEDDING_MODEL})["id"] for one in (alice, bob))
        batch = alice.post(f"/v1/vector_stores/{hers}/file_batches", {"file_ids": [alice.upload("wait for it")]})
    backend.may_go_on.set()

    with serving(built, environment, tmp_path, *arguments) as url:
        alice, bob = (Belongings(user, Served(url, tmp_path, backend).http_as(user)) for user in ("alice", "bob"))
        bob.get(f"/v1/vector_stores/{his}")  # before Alice comes
        path = f"/v1/vector_stores/{hers}/file_batches/{batch['id']}"
        done = until(lambda: alice.get(path), lambda one: one["status"] in ENDED)

    assert (done["status"], done["file_counts"]["completed"]) == ("completed", 1)


@pytest.mark.advisory("traces-in-common")
def test_a_request_has_spans_of_its_own() -> None:
    no_logger: Any = None
    one, other = (TraceContext(no_logger, trace_id=name) for name in ("one", "other"))
    assert one.spans is not other.spans
