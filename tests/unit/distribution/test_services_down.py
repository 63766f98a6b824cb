"""A service that is down when the server starts, and comes up later."""

import contextlib
import http.server
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).parents[3]
SECONDS = 90.0
CONFIG = """\
version: 2
image_name: services
apis: [inference]
providers:
  inference:
  - provider_id: vllm
    provider_type: remote::vllm
    config: {{url: "http://127.0.0.1:{vllm}/v1"}}
storage:
  backends:
    kv_default: {{type: kv_sqlite, db_path: {folder}/kvstore.db}}
    sql_default: {{type: sql_sqlite, db_path: {folder}/sql_store.db}}
  stores:
    metadata: {{backend: kv_default, namespace: registry}}
    inference: {{backend: sql_default, table_name: inference_store}}
    conversations: {{backend: sql_default, table_name: openai_conversations}}
registered_resources:
  models:
  - {{model_id: registered, provider_id: vllm}}
"""


class Models(http.server.BaseHTTPRequestHandler):
    """As much of an OpenAI-compatible server as lists its models."""

    def do_GET(self) -> None:
        models = [{"id": name, "object": "model", "created": 0, "owned_by": "us"} for name in ("registered", "listed")]
        body = json.dumps({"object": "list", "data": models}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Keep quiet."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def serving(folder: Path, vllm: int, **environment: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    config = folder / "run.yaml"
    config.write_text(CONFIG.format(vllm=vllm, folder=folder))
    port = free_port()
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "distribution", str(config), "--port", str(port)],
            cwd=REPOSITORY,
            env=os.environ | environment,
            stdout=log,
            stderr=log,
            text=True,
        )
        try:
            yield process, port
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=30)


def data(port: int, path: str) -> Any:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=30) as answer:
        return json.load(answer)["data"]


def eventually(port: int, path: str, wanted: Any, read: Any) -> None:
    """Ask until the answer is as wanted; fail with the last one."""
    last: Any = None
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        with contextlib.suppress(urllib.error.URLError, ConnectionError):
            last = read(data(port, path))
            if last == wanted:
                return
        time.sleep(0.2)
    pytest.fail(f"{path} answered {last!r}, not {wanted!r}")


def test_the_server_starts_without_it_and_goes_on_trying(tmp_path: Path) -> None:
    vllm = free_port()
    with serving(tmp_path, vllm) as (_, port):
        eventually(port, "/v1/providers", ["Error"], lambda found: [one["health"]["status"] for one in found])
        assert (tmp_path / "log").read_text().count("(unreachable)") == 1

        server = http.server.ThreadingHTTPServer(("127.0.0.1", vllm), Models)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            identifiers = ["vllm/listed", "vllm/registered"]
            eventually(port, "/v1/models", identifiers, lambda found: sorted(one["identifier"] for one in found))
            eventually(port, "/v1/providers", ["OK"], lambda found: [one["health"]["status"] for one in found])
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


def test_whoever_requires_it_does_not_start(tmp_path: Path) -> None:
    with serving(tmp_path, free_port(), REQUIRE_REACHABLE="1") as (process, _):
        assert process.wait(timeout=SECONDS) == 78
    assert "run.yaml:8:19: error: vllm (remote::vllm) does not answer" in (tmp_path / "log").read_text()
