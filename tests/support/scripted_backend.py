"""An OpenAI-compatible server with answers of its own, for what no real model says on request.

It answers at once, says back what it was last asked, and keeps every request. All its chat completions have one id,
unless the request names a `user`, after whom the id is called then. Asked to `call TOOL {...}`, it calls a tool that it
was offered with these arguments, and says back what that returned. Asked to `wait`, it ends a stream once it may go on,
and so it is with embeddings of texts that begin with this word.
"""

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from tests.support import http_server
from tests.support.process import LOOPBACK

CHAT_MODEL = "scripted"
EMBEDDING_MODEL = "scripted-embedding"
DIMENSION = 8
LONGEST_WAIT = 20
"""Seconds."""


@dataclass
class ScriptedBackend:
    """The server's address, and what it was asked."""

    url: str
    """With /v1, as VLLM_URL takes it."""
    asked: list[dict[str, Any]] = field(default_factory=list)
    """The bodies of all requests, the oldest first."""
    headers: list[dict[str, str]] = field(default_factory=list)
    """Their headers, names in lower case."""
    may_go_on: threading.Event = field(default_factory=threading.Event)
    """Set once what waits may end."""


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
                if any(str(text).startswith("wait") for text in _texts(body)):
                    backend.may_go_on.wait(LONGEST_WAIT)
                self._send(json.dumps(_embeddings(body)))
            elif body.get("stream"):
                self._send_events(_stream(body), wait=_asked(body) == "wait")
            elif self.path.endswith("/chat/completions"):
                self._send(json.dumps(_chat_completion(body)))
            else:
                self._send(json.dumps(_completion(body)))

        def _send(self, body: str) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body.encode())))
            self.end_headers()
            self.wfile.write(body.encode())

        def _send_events(self, events: list[str], wait: bool) -> None:
            whole = "".join(f"data: {event}\n\n" for event in events).encode()
            begin = whole.index(b"\n\n") + 2
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Content-Length", str(len(whole)))
            self.end_headers()
            self.wfile.write(whole[:begin])
            if wait:
                backend.may_go_on.wait(LONGEST_WAIT)
            with suppress(ConnectionError):  # whoever asked may have left
                self.wfile.write(whole[begin:])

    with http_server.serving(Answer) as port:
        backend.url = f"http://{LOOPBACK}:{port}/v1"
        yield backend


_MODELS = (CHAT_MODEL, EMBEDDING_MODEL)
_USAGE = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}


def _said(body: dict[str, Any]) -> str:
    return f"You said: {json.dumps((body.get('messages') or [{}])[-1].get('content') or body.get('prompt'))}"


def _asked(body: dict[str, Any]) -> str:
    """What a user has said last; empty if somebody else has said the last word."""
    last = (body.get("messages") or [{}])[-1]
    content = last.get("content") if last.get("role") == "user" else ""
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content or [])


def _message(body: dict[str, Any]) -> dict[str, Any]:
    offered = {tool["function"]["name"] for tool in body.get("tools") or []}
    if (order := re.fullmatch(r"call (\S+) (\{.*\})", _asked(body))) and order[1] in offered:
        function = {"name": order[1], "arguments": order[2]}
        calls = [{"index": 0, "id": "call_scripted", "type": "function", "function": function}]
        return {"role": "assistant", "content": None, "tool_calls": calls}
    return {"role": "assistant", "content": _said(body)}


def _chat_id(body: dict[str, Any]) -> str:
    return f"chatcmpl-{body.get('user', 'scripted')}"


def _finish_reason(message: dict[str, Any]) -> str:
    return "tool_calls" if "tool_calls" in message else "stop"


def _chat_completion(body: dict[str, Any]) -> dict[str, Any]:
    message = _message(body)
    choice = {"index": 0, "message": message, "finish_reason": _finish_reason(message)}
    head = {"id": _chat_id(body), "object": "chat.completion", "created": 0, "model": CHAT_MODEL}
    return {**head, "choices": [choice], "usage": _USAGE}


def _completion(body: dict[str, Any]) -> dict[str, Any]:
    choice = {"index": 0, "text": _said(body), "finish_reason": "stop", "logprobs": None}
    head = {"id": "cmpl-scripted", "object": "text_completion", "created": 0, "model": CHAT_MODEL}
    return {**head, "choices": [choice], "usage": _USAGE}


def _stream(body: dict[str, Any]) -> list[str]:
    chunk = {"id": _chat_id(body), "object": "chat.completion.chunk", "created": 0, "model": CHAT_MODEL}
    delta = _message(body)
    chunks = [
        {**chunk, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]},
        {**chunk, "choices": [{"index": 0, "delta": {}, "finish_reason": _finish_reason(delta)}]},
    ]
    if (body.get("stream_options") or {}).get("include_usage"):
        chunks.append({**chunk, "choices": [], "usage": _USAGE})
    return [*(json.dumps(one) for one in chunks), "[DONE]"]


def _embeddings(body: dict[str, Any]) -> dict[str, Any]:
    data = [
        {"object": "embedding", "index": index, "embedding": _vector(str(text))}
        for index, text in enumerate(_texts(body))
    ]
    return {"object": "list", "model": EMBEDDING_MODEL, "data": data, "usage": _USAGE}


def _texts(body: dict[str, Any]) -> list[Any]:
    return body["input"] if isinstance(body["input"], list) else [body["input"]]


def _vector(text: str) -> list[float]:
    """Texts that share words have vectors that are near each other."""
    vector = [1e-3] * DIMENSION
    for word in text.lower().split():
        vector[sum(word.encode()) % DIMENSION] += 1
    return vector
