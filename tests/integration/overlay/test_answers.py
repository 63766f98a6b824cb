"""What clients are told when something goes wrong, and what the log says."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from llama_stack_client import NotFoundError

from tests.integration.prompts.prompts_api import Prompts
from tests.support.process import LOOPBACK, free_port
from tests.support.run_configs import PROMPTS, run_config, vllm_provider
from tests.support.stack_server import StackServer, serve

MESSAGES: Any = [{"role": "user", "content": "Hello"}]


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackServer]:
    """A server whose model cannot be reached."""
    nowhere = f"http://{LOOPBACK}:{free_port()}/v1"
    providers = {"inference": [vllm_provider("vllm", nowhere)], "prompts": [PROMPTS]}
    models = {"models": [{"model_id": "absent", "provider_id": "vllm"}]}
    config = run_config(tmp_path_factory.mktemp("answers"), providers, registered_resources=models)
    with serve(config) as server:
        yield server


def test_a_missing_field_is_named_as_openai_names_it(stack: StackServer) -> None:
    with pytest.raises(openai.BadRequestError) as error:
        stack.openai.post("/embeddings", body={"model": "m"}, cast_to=object)

    assert error.value.param == "input"
    assert error.value.type == "invalid_request_error"
    assert isinstance(error.value.body, dict)
    assert "Field required" in error.value.body["message"]
    assert error.value.body["detail"]["errors"][0]["msg"] == "Field required"


def test_what_is_not_there_is_told_to_both_clients(stack: StackServer) -> None:
    unknown = f"pmpt_{'0' * 48}"

    with pytest.raises(NotFoundError) as error:
        Prompts(stack.client).get(unknown)

    body: Any = error.value.body
    assert unknown in body["detail"]
    assert body["error"] == {
        "message": body["detail"],
        "type": "invalid_request_error",
        "param": None,
        "code": 404,
    }


def test_a_path_that_is_not_there(stack: StackServer) -> None:
    with pytest.raises(openai.NotFoundError) as error:
        stack.openai.get("/nothing", cast_to=object)

    assert isinstance(error.value.body, dict)
    assert error.value.body["message"] == "Not Found"


@pytest.mark.parametrize(("model", "status"), [("nobody", 404), ("vllm/absent", 502)])
def test_a_stream_that_cannot_begin_has_a_status(stack: StackServer, model: str, status: int) -> None:
    with pytest.raises(openai.APIStatusError) as error:
        stack.openai.chat.completions.create(model=model, messages=MESSAGES, stream=True)

    assert error.value.status_code == status
    assert isinstance(error.value.body, dict)
    assert error.value.body["code"] == status
    assert error.value.body["message"]


def test_what_is_not_the_servers_fault_is_a_line_in_the_log(stack: StackServer) -> None:
    before = len(stack.program.log.read_text())
    unknown = f"pmpt_{'1' * 48}"
    with pytest.raises(NotFoundError):
        Prompts(stack.client).get(unknown)
    for stream in (True, False):
        with pytest.raises(openai.InternalServerError):
            stack.openai.chat.completions.create(model="vllm/absent", messages=MESSAGES, stream=stream)

    said = stack.program.log.read_text()[before:]
    assert unknown in said
    assert "cannot be reached" in said
    assert "Traceback" not in said


def test_secrets_are_neither_logged_nor_shown(tmp_path: Path) -> None:
    url = f"http://user:the-password@{LOOPBACK}:{free_port()}/v1"
    vllm = vllm_provider("vllm", url, api_token="the-token")

    with serve(run_config(tmp_path, {"inference": [vllm]})) as server:
        shown = server.client.providers.retrieve("vllm").to_json()
        log = server.program.log.read_text()

    for secret in ("the-password", "the-token"):
        assert secret not in shown
        assert secret not in log
    assert "user" not in shown.partition("url")[2].partition(LOOPBACK)[0]
