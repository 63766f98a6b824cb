"""A vLLM that answers what a test has it answer, and a provider that asks it."""

import asyncio
import json
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from llama_stack.core.store.registry import DiskDistributionRegistry
from llama_stack.providers.utils.kvstore.kvstore import InmemoryKVStoreImpl

from providers.inference.vllm.config import VLLMConfig
from providers.inference.vllm.provider import VLLMProvider
from providers.registry.inference import available_providers
from tests.support.http_server import Handler, serving
from tests.support.process import LOOPBACK

CONTEXT_LENGTH = 1000
PROVIDER_ID = "vllm"


@dataclass
class ScriptedVllm:
    """What the server answers, and what it was asked."""

    models: list[str] = field(default_factory=lambda: ["chat", "embedding"])
    status: int = 200
    # The body of every answer, in place of a sensible one.
    body: str | None = None
    asked: list[dict[str, Any]] = field(default_factory=list)
    tokens: list[str | None] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        """Its OpenAI API."""
        return f"http://{LOOPBACK}:{self.port}/v1"

    def answer(self, path: str, asked: dict[str, Any]) -> tuple[int, str]:
        """Status and body of an answer."""
        if self.body is not None or self.status != 200:
            return self.status, self.body or ""
        if path == "/v1/models":
            return 200, json.dumps(
                {"object": "list", "data": [{"id": name, "object": "model"} for name in self.models]}
            )
        if path == "/v1/chat/completions":
            limit = asked.get("max_tokens") or 0
            if limit > CONTEXT_LENGTH:
                message = f"max_tokens={limit} cannot be greater than max_model_len={CONTEXT_LENGTH}"
                return 400, json.dumps({"error": {"message": message, "type": "BadRequestError", "code": 400}})
            choice = {"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}
            return 200, json.dumps(
                {"id": "1", "object": "chat.completion", "created": 1, "model": "chat", "choices": [choice]}
            )
        return 200, ""


@pytest.fixture
def scripted(server: ScriptedVllm) -> ScriptedVllm:
    """A vLLM with two models and little room."""
    vars(server).update(vars(ScriptedVllm(port=server.port)))
    return server


@pytest.fixture(scope="module")
def server() -> Iterator[ScriptedVllm]:
    """The server, whose end takes longer than a test; each test gets it as new."""
    vllm = ScriptedVllm()

    class Answer(Handler):
        def do_GET(self) -> None:
            self._respond({})

        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            vllm.asked.append(asked)
            self._respond(asked)

        def _respond(self, asked: dict[str, Any]) -> None:
            vllm.tokens.append(self.headers.get("Authorization"))
            status, body = vllm.answer(self.path, asked)
            self.send_response(status)
            self.send_header("Content-Type", "text/event-stream" if asked.get("stream") else "application/json")
            self.send_header("Content-Length", str(len(body.encode())))
            self.end_headers()
            self.wfile.write(body.encode())

    with serving(Answer) as port:
        vllm.port = port
        yield vllm


@pytest.fixture
def registry() -> DiskDistributionRegistry:
    """An empty model registry in memory."""
    return DiskDistributionRegistry(InmemoryKVStoreImpl())  # type: ignore[no-untyped-call]


def run[T](
    url: str, registry: DiskDistributionRegistry | None, use: Callable[[Any], Coroutine[Any, Any, T]], **config: Any
) -> T:
    """Do something with a provider, and shut it down; ``use`` is an async function of the provider."""

    async def no_model(_name: str) -> bool:
        return False

    async def with_provider() -> T:
        provider: Any = VLLMProvider(config=VLLMConfig.model_validate({"url": url, **config}))
        # llama-stack sets these once it has made a provider.
        [provider.__provider_spec__] = available_providers()
        provider.__provider_id__ = PROVIDER_ID
        provider.model_store = SimpleNamespace(dist_registry=registry, has_model=no_model)
        await provider.initialize()
        try:
            return await use(provider)
        finally:
            await provider.shutdown()

    return asyncio.run(with_provider())
