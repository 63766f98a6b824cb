"""Batches: what their output looks like, and how they end when their server does."""

import json
import signal
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from openai import OpenAI
from openai.types import Batch

from tests.support.run_configs import local_files, run_config, vllm_provider
from tests.support.stack_server import StackServer, serve
from tests.support.vllm import Vllm

REQUESTS = 200
BATCHES = {
    "provider_id": "reference",
    "provider_type": "inline::reference",
    "config": {"kvstore": {"backend": "kv_default", "namespace": "batches"}},
}


def test_the_output_has_objects_and_files_only_for_results(vllm: Vllm, tmp_path: Path) -> None:
    with serve(_config(tmp_path, vllm)) as server:
        client = server.openai
        good, bad = _request(vllm), _request(vllm, temperature="hot")
        served, refused = _send(client, [good]), _send(client, [bad])
        server.program.wait_until(
            lambda: all(client.batches.retrieve(batch.id).status == "completed" for batch in (served, refused)),
            timeout=60,
        )

        served, refused = client.batches.retrieve(served.id), client.batches.retrieve(refused.id)
        assert served.output_file_id is not None
        [line] = client.files.content(served.output_file_id).text.splitlines()
        assert json.loads(line)["response"]["body"]["choices"][0]["message"]["content"]
        assert served.error_file_id is None
        assert refused.output_file_id is None
        assert refused.error_file_id is not None


def test_batches_of_a_killed_server_end_when_it_starts_again(vllm: Vllm, tmp_path: Path) -> None:
    config = _config(tmp_path, vllm)
    with serve(config) as killed:
        running, waiting, cancelling = _start_batches(killed, vllm)
        _end(killed, signal.SIGKILL)
    assert _record(tmp_path, running)["status"] == "in_progress"
    with sqlite3.connect(tmp_path / "kv.db") as database:
        database.execute(
            """UPDATE kvstore SET value = replace(value, '"validating"', '"cancelling"') WHERE key LIKE ?""",
            (f"%{cancelling}",),
        )

    with serve(config) as server:
        batches = server.openai.batches
        _assert_says_why(batches.retrieve(running))
        _assert_says_why(batches.retrieve(waiting))
        cancelled = batches.retrieve(cancelling)
        assert cancelled.status == "cancelled"
        assert cancelled.cancelled_at is not None


@pytest.mark.parametrize("with_signal", [signal.SIGTERM, signal.SIGINT])
def test_batches_of_a_server_that_stops_end_with_it(vllm: Vllm, tmp_path: Path, with_signal: signal.Signals) -> None:
    with serve(_config(tmp_path, vllm)) as stopped:
        running, waiting, _ = _start_batches(stopped, vllm)
        _end(stopped, with_signal)

    for batch_id in (running, waiting):
        _assert_says_why(Batch.model_validate(_record(tmp_path, batch_id)))


def _config(directory: Path, vllm: Vllm) -> dict[str, Any]:
    providers = {
        "inference": [vllm_provider("vllm", vllm.url)],
        "files": [local_files(directory)],
        "batches": [BATCHES],
    }
    return run_config(directory, providers)


def _request(vllm: Vllm, **options: Any) -> dict[str, Any]:
    """A line of a batch's input."""
    messages = [{"role": "user", "content": "Hello"}]
    body = {"model": f"vllm/{vllm.model}", "messages": messages, "max_tokens": 8, **options}
    return {"custom_id": "greeting", "method": "POST", "url": "/v1/chat/completions", "body": body}


def _send(client: OpenAI, requests: Sequence[dict[str, Any]]) -> Batch:
    lines = "\n".join(json.dumps(request) for request in requests)
    file = client.files.create(file=("input.jsonl", lines.encode()), purpose="batch")
    return client.batches.create(input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h")


def _start_batches(server: StackServer, vllm: Vllm) -> tuple[str, str, str]:
    """The ids of a batch that the server works at, and of two that wait, since one is worked at at a time."""
    batches = server.openai.batches
    running, one, other = (_send(server.openai, [_request(vllm)] * count).id for count in (REQUESTS, 1, 1))
    server.program.wait_until(lambda: batches.retrieve(running).status == "in_progress", timeout=30)
    return running, one, other


def _end(server: StackServer, with_signal: signal.Signals) -> None:
    server.program.process.send_signal(with_signal)
    server.program.process.wait(30)


def _record(directory: Path, batch_id: str) -> dict[str, Any]:
    """A batch as it is stored."""
    with sqlite3.connect(directory / "kv.db") as database:
        [[value]] = database.execute("SELECT value FROM kvstore WHERE key LIKE ?", (f"%{batch_id}",))
    record: dict[str, Any] = json.loads(value)
    return record


def _assert_says_why(batch: Batch) -> None:
    assert batch.status == "failed"
    assert batch.failed_at is not None
    assert batch.errors is not None
    [error] = batch.errors.data or []
    assert "can be sent again" in (error.message or "")
