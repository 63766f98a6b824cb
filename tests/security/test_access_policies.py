"""An access policy of the run config is what holds: what it shares is shared, what it refuses is refused."""

import time
from collections.abc import Iterator
from uuid import uuid4

import pytest
import yaml

from tests.security.conftest import ROOT, Served
from tests.security.others import get, is_absent_for
from tests.support.image import BuiltImage
from tests.support.s3 import S3Server
from tests.support.sandboxed import serving
from tests.support.scripted_backend import ScriptedBackend

POLICY = """
- forbid: {actions: [read], resource: "model::vllm/scripted"}
  unless: user with red in teams
- permit: {actions: [create, read, update, delete]}
  when: user is owner
- permit: {actions: [read]}
  when: user in owners teams
- permit: {actions: [read], resource: "model::*"}
  when: resource is unowned
"""


@pytest.fixture(scope="module")
def sharing(
    built: BuiltImage,
    backend: ScriptedBackend,
    environment: dict[str, str],
    token_service: str,
    s3_server: S3Server,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Served]:
    """The image with a policy, and with llama-stack's own adapter of S3 for the files."""
    data = tmp_path_factory.mktemp("sharing")
    config = yaml.safe_load((ROOT / "run.yaml").read_text())
    config["server"]["auth"] = {
        "provider_config": {"type": "custom", "endpoint": token_service},
        "access_policy": yaml.safe_load(POLICY),
    }
    bucket = {
        "bucket_name": f"files-{uuid4().hex}",
        "auto_create_bucket": True,
        "endpoint_url": s3_server.endpoint,
        "aws_access_key_id": s3_server.access_key,
        "aws_secret_access_key": s3_server.secret_key,
        "metadata_store": {"backend": "sql_default", "table_name": "files"},
    }
    config["providers"]["files"] = [{"provider_id": "s3", "provider_type": "remote::s3", "config": bucket}]
    (data / "run.yaml").write_text(yaml.safe_dump(config))
    with serving(built, environment, data, "--config", "/data/run.yaml") as url:
        yield Served(url, data, backend)


@pytest.mark.advisory("adapters-without-policy")
@pytest.mark.advisory("rows-changed-unchecked")
def test_a_file_is_read_by_the_owners_team_and_deleted_by_the_owner(sharing: Served) -> None:
    upload = {"files": {"file": ("f", b"secret")}, "data": {"purpose": "assistants"}}
    with sharing.http_as("alice") as alice:
        path = f"/v1/files/{alice.post('/v1/files', **upload).json()['id']}"  # type: ignore[arg-type]

    assert get(sharing, "rita", f"{path}/content").content == b"secret"
    assert path.rpartition("/")[2] in get(sharing, "rita", "/v1/files").text
    with sharing.http_as("rita") as rita:
        assert rita.delete(path).status_code == 403
    for other in ("bob", "carol", "quentin"):
        assert get(sharing, other, f"{path}/content").status_code == 404
        assert path.rpartition("/")[2] not in get(sharing, other, "/v1/files").text
    assert get(sharing, "alice", f"{path}/content").content == b"secret"
    with sharing.http_as("alice") as alice:
        assert alice.delete(path).json()["deleted"]


@pytest.mark.advisory("access-without-attributes")
def test_who_has_no_team_shares_nothing(sharing: Served) -> None:
    with sharing.http_as("carol") as carol:
        prompt_id = carol.post("/v1/prompts", json={"prompt": "secret"}).json()["prompt_id"]

    for other in ("alice", "bob", "mallory", "quentin"):
        is_absent_for(sharing, other, "GET", "/v1/prompts/{id}", prompt_id, f"pmpt_{'0' * 48}")


def test_a_prompt_is_read_by_the_owners_team_and_changed_by_the_owner(sharing: Served) -> None:
    with sharing.http_as("alice") as alice:
        path = f"/v1/prompts/{alice.post('/v1/prompts', json={'prompt': 'shared'}).json()['prompt_id']}"

    assert get(sharing, "rita", path).json()["prompt"] == "shared"
    with sharing.http_as("rita") as rita:
        assert rita.post(path, json={"prompt": "mine", "version": 1}).status_code == 403
        assert rita.delete(path).status_code == 403
    assert get(sharing, "bob", path).status_code == 404


def test_a_stored_chat_completion_is_read_by_the_owners_team(sharing: Served) -> None:
    completion = uuid4().hex
    body = {"model": "vllm/scripted", "messages": [{"role": "user", "content": "hello"}], "user": completion}
    with sharing.http_as("alice") as alice:
        assert alice.post("/v1/chat/completions", json=body).status_code == 200
    path = f"/v1/chat/completions/chatcmpl-{completion}"
    for _ in range(100):
        if get(sharing, "alice", path).status_code == 200:
            break
        time.sleep(0.1)

    assert get(sharing, "rita", path).status_code == 200
    assert get(sharing, "rita", "/v1/chat/completions?limit=1").json()["data"]
    for other in ("bob", "quentin"):
        is_absent_for(sharing, other, "GET", "/v1/chat/completions/{id}", f"chatcmpl-{completion}", "chatcmpl-none")


@pytest.mark.advisory("models-used-unchecked")
@pytest.mark.parametrize("other", ["bob", "carol", "quentin"])
def test_a_model_that_is_refused_is_not_used_by_its_providers_name(sharing: Served, other: str) -> None:
    chat = {"model": "{id}", "messages": [{"role": "user", "content": "hello"}]}
    asked = len(sharing.backend.asked)

    for path, body in [
        ("/v1/chat/completions", chat),
        ("/v1/openai/v1/chat/completions", {**chat, "stream": True}),
        ("/v1/completions", {"model": "{id}", "prompt": "hello"}),
        ("/v1/embeddings", {"model": "{id}", "input": "hello"}),
    ]:
        is_absent_for(sharing, other, "POST", path, "vllm/scripted", "vllm-none/scripted", json=body)
    assert "vllm/scripted" not in {one["identifier"] for one in get(sharing, other, "/v1/models").json()["data"]}
    assert len(sharing.backend.asked) == asked

    with sharing.http_as("alice") as alice:
        answer = alice.post("/v1/chat/completions", json={**chat, "model": "vllm/scripted"})
    assert answer.status_code == 200
