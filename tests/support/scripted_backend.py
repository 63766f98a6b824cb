"""An OpenAI-compatible server with answers of its own, for what no real model says on request.

It answers at once, says back what it was last asked, and keeps every request. All its chat completions have one id,
unless the request names a `user`, after whom the id is called then.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.support import http_server
from tests.support.process import LOOPBACK

CHAT_MODEL = "scripted"
EMBEDDING_MODEL = "scripted-embedding"
DIMENSION = 8


@dataclass
class ScriptedBackend:
    """The server's address, and what it was asked."""

    url: str
    """With /v1, as VLLM_URL takes it."""
    asked: list[dict[str, Any]] = field(default_factory=list)
    """The bodies of all requests, the oldest first."""
    headers: list[dict[str, str]] = field(default_factory=list)
    """Their headers, names in lower case."""


@contextmanager
def serve() -> Iterator[ScriptedBackend]:
    """Serve until the block ends."""
    backend = ScriptedBackend("")

    class Answer(http_server.Handler):
        def do_GET(self) -> None:
            models = [{"id": name, "object": "model", "created": 0, "owned_by": "us"} for name in _MODELS]
            self._send(json.dumps({"object": "list", "data": models}))

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            backend.asked.append(body)
            backend.headers.append({name.lower(): value for name, value in self.headers.items()})
            if self.path.endswith("/embeddings"):
                self._send(json.dumps(_embeddings(body)))
            elif body.get("stream"):
                self._send(_stream(body), "text/event-stream")
            elif self.path.endswith("/chat/completions"):
                self._send(json.dumps(_chat_completion(body)))
            else:
                self._send(json.dumps(_completion(body)))

        def _send(self, body: str, content_type: str = "application/json") -> None:
            self.send_response(200)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body.encode())))
            self.end_headers()
            self.wfile.write(body.encode())

    with http_server.serving(Answer) as port:
        backend.url = f"http://{LOOPBACK}:{port}/v1"
        yield backend


_MODELS = (CHAT_MODEL, EMBEDDING_MODEL)
_USAGE = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}


def _said(body: dict[str, Any]) -> str:
    return f"You said: {json.dumps((body.get('messages') or [{}])[-1].get('content') or body.get('prompt'))}"


def _chat_id(body: dict[str, Any]) -> str:
    return f"chatcmpl-{body.get('user', 'scripted')}"


def _chat_completion(body: dict[str, Any]) -> dict[str, Any]:
    choice = {"index": 0, "message": {"role": "assistant", "content": _said(body)}, "finish_reason": "stop"}
    head = {"id": _chat_id(body), "object": "chat.completion", "created": 0, "model": CHAT_MODEL}
    return {**head, "choices": [choice], "usage": _USAGE}


def _completion(body: dict[str, Any]) -> dict[str, Any]:
    choice = {"index": 0, "text": _said(body), "finish_reason": "stop", "logprobs": None}
    head = {"id": "cmpl-scripted", "object": "text_completion", "created": 0, "model": CHAT_MODEL}
    return {**head, "choices": [choice], "usage": _USAGE}


def _stream(body: dict[str, Any]) -> str:
    chunk = {"id": _chat_id(body), "object": "chat.completion.chunk", "created": 0, "model": CHAT_MODEL}
    delta = {"role": "assistant", "content": _said(body)}
    chunks = [
        {**chunk, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]},
        {**chunk, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
    ]
    return "".join(f"data: {json.dumps(one)}\n\n" for one in chunks) + "data: [DONE]\n\n"


def _embeddings(body: dict[str, Any]) -> dict[str, Any]:
    texts = body["input"] if isinstance(body["input"], list) else [body["input"]]
    data = [
        {"object": "embedding", "index": index, "embedding": _vector(str(text))} for index, text in enumerate(texts)
    ]
    return {"object": "list", "model": EMBEDDING_MODEL, "data": data, "usage": _USAGE}


def _vector(text: str) -> list[float]:
    """Texts that share words have vectors that are near each other."""
    vector = [1e-3] * DIMENSION
    for word in text.lower().split():
        vector[sum(word.encode()) % DIMENSION] += 1
    return vector
