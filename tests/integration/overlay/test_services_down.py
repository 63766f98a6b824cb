"""A service that is down when the server starts, and comes up later."""

import json
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.support import http_server
from tests.support.process import LOOPBACK, StartError, free_port
from tests.support.run_configs import run_config, vllm_provider
from tests.support.stack_server import StackServer, serve

MODELS = ("registered", "listed")
PATIENCE = 90  # seconds


class _Models(http_server.Handler):
    """As much of an OpenAI-compatible server as lists its models: a vLLM takes a minute to come up."""

    def do_GET(self) -> None:
        models = [{"id": name, "object": "model", "created": 0, "owned_by": "us"} for name in MODELS]
        body = json.dumps({"object": "list", "data": models}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _config(directory: Path, port: int) -> dict[str, Any]:
    providers = {"inference": [vllm_provider("vllm", f"http://{LOOPBACK}:{port}/v1")]}
    models = [{"model_id": "registered", "provider_id": "vllm"}]
    return run_config(directory, providers, registered_resources={"models": models})


def _health(server: StackServer) -> str:
    (provider,) = requests.get(f"{server.url}/v1/providers", timeout=30).json()["data"]
    return str(provider["health"]["status"])


def _models(server: StackServer) -> list[str]:
    return sorted(model.identifier for model in server.client.models.list())


def test_the_server_starts_without_it_and_goes_on_trying(tmp_path: Path) -> None:
    port = free_port()
    with serve(_config(tmp_path, port)) as server:
        server.program.wait_until(lambda: _health(server) == "Error", PATIENCE)
        assert server.program.log.read_text().count("(unreachable)") == 1
        with http_server.serving(_Models, port):
            server.program.wait_until(lambda: _models(server) == ["vllm/listed", "vllm/registered"], PATIENCE)
            server.program.wait_until(lambda: _health(server) == "OK", PATIENCE)


def test_whoever_requires_it_does_not_start(tmp_path: Path) -> None:
    with (
        pytest.raises(
            StartError, match=r"ended with code 78; (.|\n)*run\.yaml:7:12: error: vllm \(remote::vllm\) does not answer"
        ),
        serve(_config(tmp_path, free_port()), {"REQUIRE_REACHABLE": "1"}),
    ):
        pass
