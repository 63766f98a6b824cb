"""Where an access policy lets a team read what one of it has, the team reads it and changes nothing."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.security.conftest import ROOT, Served
from tests.support import belongings
from tests.support.attacks import response
from tests.support.belongings import CHAT_MODEL, Belongings
from tests.support.image import BuiltImage
from tests.support.sandboxed import serving
from tests.support.scripted_backend import ScriptedBackend

POLICY = """
- permit: {actions: [create, read, update, delete]}
  when: user is owner
- permit: {actions: [read]}
  when: user in owners teams
- permit: {actions: [read]}
  when: resource is unowned
"""
MESSAGE = {"type": "message", "role": "user", "content": "mine"}
CHANGES: dict[str, dict[str, Any] | None] = {
    "POST /v1/vector_stores/{vector_store_id}": {"name": "mine"},
    "POST /v1/vector_stores/{vector_store_id}/files": {"file_id": "{file_id}"},
    "POST /v1/vector_stores/{vector_store_id}/files/{file_id}": {"attributes": {"of": "me"}},
    "POST /v1/vector_stores/{vector_store_id}/file_batches": {"file_ids": ["{file_id}"]},
    "POST /v1/vector_stores/{vector_store_id}/file_batches/{file_batch_id}/cancel": None,
    "DELETE /v1/vector_stores/{vector_store_id}/files/{file_id}": None,
    "DELETE /v1/vector_stores/{vector_store_id}": None,
    "POST /v1/vector-io/insert": {"vector_db_id": "{vector_store_id}", "chunks": []},
    "POST /v1/conversations/{conversation_id}": {"metadata": {"of": "me"}},
    "POST /v1/conversations/{conversation_id}/items": {"items": [MESSAGE]},
    "DELETE /v1/conversations/{conversation_id}/items/{item_id}": None,
    "DELETE /v1/conversations/{conversation_id}": None,
    "POST /v1/responses": response(conversation="{conversation_id}"),
    "DELETE /v1/responses/{response_id}": None,
    "POST /v1/chat/completions/{completion_id}": {"metadata": {"of": "me"}},
    "DELETE /v1/chat/completions/{completion_id}": None,
    "POST /v1/batches/{batch_id}/cancel": None,
    "DELETE /v1alpha/agents/{agent_id}/session/{session_id}": None,
    "DELETE /v1alpha/agents/{agent_id}": None,
    "DELETE /v1alpha/eval/benchmarks/{benchmark_id}/jobs/{job_id}": None,
    "POST /v1beta/datasetio/append-rows/{dataset_id}": {"rows": [{}]},
}
"""What only the owner may do."""

USES: dict[str, dict[str, Any] | None] = {
    "GET /v1/vector_stores/{vector_store_id}/files": None,
    "POST /v1/vector_stores/{vector_store_id}/search": {"query": "third drawer"},
    "POST /v1/tool-runtime/rag-tool/query": {"content": "third drawer", "vector_store_ids": ["{vector_store_id}"]},
    "GET /v1/conversations/{conversation_id}/items": None,
    "GET /v1/responses/{response_id}/input_items": None,
    "GET /v1/chat/completions/{completion_id}/messages": None,
    "POST /v1/responses": response(previous_response_id="{response_id}"),
    "GET /v1/batches/{batch_id}": None,
    "GET /v1alpha/agents/{agent_id}": None,
    "GET /v1alpha/agents/{agent_id}/session/{session_id}/turn/{turn_id}": None,
    "GET /v1alpha/eval/benchmarks/{benchmark_id}/jobs/{job_id}/result": None,
}
"""What all of the team may do."""


@pytest.fixture(scope="module")
def sharing(
    built: BuiltImage,
    backend: ScriptedBackend,
    environment: dict[str, str],
    token_service: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Served]:
    """The image with a policy."""
    data = tmp_path_factory.mktemp("sharing")
    config: dict[str, Any] = yaml.safe_load((ROOT / "run.yaml").read_text())
    auth = {"provider_config": {"type": "custom", "endpoint": token_service}, "access_policy": yaml.safe_load(POLICY)}
    config["server"]["auth"] = auth
    (data / "run.yaml").write_text(yaml.safe_dump(config))
    with serving(built, environment, data, "--config", "/data/run.yaml") as url:
        yield Served(url, data, backend)


@pytest.fixture(scope="module")
def alice(sharing: Served) -> Belongings:
    """Somebody who has one of each kind."""
    return belongings.of("alice", sharing.http_as("alice"))


@pytest.mark.advisory("resources-used-unchecked")
@pytest.mark.parametrize("operation", CHANGES)
def test_the_team_changes_nothing(sharing: Served, alice: Belongings, operation: str) -> None:
    method, path, body = _request(operation, CHANGES[operation], alice)

    answer = sharing.http_as("rita").request(method, path, json=body)

    assert answer.status_code == 403, answer.text


@pytest.mark.parametrize("operation", USES)
def test_the_team_reads_and_others_do_not(sharing: Served, alice: Belongings, operation: str) -> None:
    method, path, body = _request(operation, USES[operation], alice)

    assert sharing.http_as("rita").request(method, path, json=body).status_code == 200
    assert sharing.http_as("bob").request(method, path, json=body).status_code == 404


@pytest.mark.advisory("agents-of-all-users")
def test_sessions_with_an_agent_of_the_team_are_shown_to_the_team(sharing: Served, alice: Belongings) -> None:
    sessions = f"/v1alpha/agents/{alice['agent_id']}/sessions"
    mine = Belongings("rita", sharing.http_as("rita"))
    session = {"session_name": "mine"}
    made = mine.post(f"/v1alpha/agents/{alice['agent_id']}/session", session)["session_id"]

    assert {one["session_id"] for one in mine.get(sessions)["data"]} == {alice["session_id"], made}
    assert mine.http.delete(f"/v1alpha/agents/{alice['agent_id']}/session/{made}").status_code == 204


def test_a_stream_is_refused_before_it_begins(sharing: Served, alice: Belongings) -> None:
    bob = sharing.http_as("bob")
    chat = {"messages": [{"role": "user", "content": "hello"}], "stream": True}
    turn = f"/v1alpha/agents/{alice['agent_id']}/session/{alice['session_id']}/turn"
    for path, body, status in (
        ("/v1/chat/completions", {**chat, "model": alice["model_id"]}, 404),
        ("/v1/completions", {"prompt": "hello", "stream": True, "model": alice["model_id"]}, 404),
        ("/v1/responses", response(model=alice["model_id"], stream=True), 404),
        ("/v1/responses", response(model="vllm-none/none", stream=True), 404),
        ("/v1/responses", response(conversation=alice["conversation_id"], stream=True), 404),
        ("/v1/responses", response(previous_response_id=alice["response_id"], stream=True), 404),
        (turn, chat, 404),
    ):
        assert bob.post(path, json=body).status_code == status, (path, body)
    conversation = response(conversation=alice["conversation_id"], stream=True)
    assert sharing.http_as("rita").post("/v1/responses", json=conversation).status_code == 403
    assert CHAT_MODEL in sharing.http_as("bob").get("/v1/models").text


def _request(operation: str, body: dict[str, Any] | None, alice: Belongings) -> tuple[str, str, Any]:
    def filled(text: str) -> str:
        for name, value in alice.ids.items():
            text = text.replace(f"{{{name}}}", value)
        return text

    method, path = filled(operation).split()
    return method, path, json.loads(filled(json.dumps(body)))
