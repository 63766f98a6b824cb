"""The built image, attacked: served once as anybody on the network meets it, once with authentication.

Users are whoever a token says: the token `alice` is the user alice. Of their attributes see `USERS`.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from openai import OpenAI

from tests.support import http_server, scripted_backend
from tests.support.image import BuiltImage
from tests.support.process import LOOPBACK
from tests.support.sandboxed import serving
from tests.support.scripted_backend import ScriptedBackend

ROOT = Path(__file__).parents[2]

USERS: dict[str, dict[str, list[str]]] = {
    "alice": {"teams": ["red"]},
    "rita": {"teams": ["red"]},
    "bob": {"teams": ["blue"]},
    "carol": {},
    "mallory": {},
    "quentin": {"teams": ["%", "' OR '1'='1", ":red"], "teams') OR 1=1 --": ["x"]},
    "nameless": {},
}
"""Who gets in, and with which attributes. The name that the service knows nameless by is empty."""


@dataclass(frozen=True)
class Served:
    """A server of the image."""

    url: str
    data: Path
    """Its /data, and `server.log`."""
    backend: ScriptedBackend

    @property
    def log(self) -> str:
        """What it has printed so far."""
        return (self.data / "server.log").read_text(errors="replace")

    @cached_property
    def http(self) -> httpx.Client:
        """A client without credentials."""
        return httpx.Client(base_url=self.url, timeout=60)

    def http_as(self, user: str) -> httpx.Client:
        """A client with a user's token."""
        return httpx.Client(base_url=self.url, timeout=60, headers={"Authorization": f"Bearer {user}"})

    def openai_as(self, user: str) -> OpenAI:
        """OpenAI's client with a user's token."""
        return OpenAI(base_url=f"{self.url}/v1", api_key=user, max_retries=0, timeout=60)


@pytest.fixture(scope="session")
def backend() -> Iterator[ScriptedBackend]:
    """The models behind the servers."""
    with scripted_backend.serve() as server:
        yield server


@pytest.fixture(scope="session")
def environment(backend: ScriptedBackend) -> dict[str, str]:
    """What switches the default run config to the backend: `vllm/scripted`, `vllm-embedding/scripted-embedding`."""
    return {
        "VLLM_URL": backend.url,
        "VLLM_EMBEDDING_URL": backend.url,
        "VLLM_EMBEDDING_MODEL": scripted_backend.EMBEDDING_MODEL,
        "VLLM_EMBEDDING_DIMENSION": str(scripted_backend.DIMENSION),
    }


@pytest.fixture(scope="session")
def served(
    built: BuiltImage, backend: ScriptedBackend, environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    """The image as it is, without authentication."""
    data = tmp_path_factory.mktemp("open")
    with serving(built, environment, data) as url:
        yield Served(url, data, backend)


@pytest.fixture(scope="session")
def token_service() -> Iterator[str]:
    """A service that takes a user's name for the user's token, as authentication of type `custom` asks it."""

    class Answer(http_server.Handler):
        def do_POST(self) -> None:
            user = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["api_key"]
            self.send_response(200 if user in USERS else 401)
            self.end_headers()
            principal = "" if user == "nameless" else user
            self.wfile.write(json.dumps({"principal": principal, "attributes": USERS.get(user)}).encode())

    with http_server.serving(Answer) as port:
        yield f"http://{LOOPBACK}:{port}/validate"


@pytest.fixture(scope="session")
def guarded(
    built: BuiltImage,
    backend: ScriptedBackend,
    environment: dict[str, str],
    token_service: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Served]:
    """The image with authentication, and no access policy but its own. Its users' MCP servers lie on the loopback."""
    data = tmp_path_factory.mktemp("guarded")
    config: dict[str, Any] = yaml.safe_load((ROOT / "run.yaml").read_text())
    config["server"]["auth"] = {"provider_config": {"type": "custom", "endpoint": token_service}}
    (data / "run.yaml").write_text(yaml.safe_dump(config))
    outgoing = {"LLAMA_STACK_OUTGOING": "allow 127.0.0.1"}
    with serving(built, environment | outgoing, data, "--config", "/data/run.yaml") as url:
        yield Served(url, data, backend)
