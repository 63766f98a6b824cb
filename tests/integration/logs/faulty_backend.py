"""A server of models that does what its user says: answers, refuses, is too busy, hangs, or dies in mid-stream."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tests.support import http_server
from tests.support.process import LOOPBACK

MODEL, EMBEDDING_MODEL = "m", "embedding"
DIMENSION = 8
USAGE = {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8}
READ = {"prompt_tokens": 3, "total_tokens": 3}
"""Of embeddings."""
REFUSALS = {"refuse": 400, "forbid": 401, "overload": 503, "break": 500}
LONGEST_WAIT = 20  # seconds


class FaultyBackend:
    """Its address, with /v1, and when those who `wait` go on."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.is_asked = threading.Event()
        self.may_go_on = threading.Event()


@contextmanager
def serve() -> Iterator[FaultyBackend]:
    """Serve until the block ends."""
    backend = FaultyBackend("")

    class Answer(http_server.Handler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            models = [
                {"id": name, "object": "model", "created": 0, "owned_by": "us"} for name in (MODEL, EMBEDDING_MODEL)
            ]
            self._send(200, {"object": "list", "data": models})

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if self.path.endswith("/embeddings"):
                texts = body["input"] if isinstance(body["input"], list) else [body["input"]]
                data = [
                    {"object": "embedding", "index": index, "embedding": [1.0] * DIMENSION}
                    for index in range(len(texts))
                ]
                self._send(200, {"object": "list", "model": EMBEDDING_MODEL, "data": data, "usage": READ})
                return
            word = str(body["messages"][-1]["content"])
            if status := REFUSALS.get(word):
                self._send(status, {"error": {"message": f"told to {word}", "type": "x", "code": status}})
            elif body.get("stream"):
                self._stream(word)
            else:
                if word == "wait":
                    backend.is_asked.set()
                    backend.may_go_on.wait(LONGEST_WAIT)
                message = {"role": "assistant", "content": word}
                choice = {"index": 0, "message": message, "finish_reason": "stop"}
                head = {"id": "chatcmpl-1", "object": "chat.completion", "created": 0, "model": MODEL}
                self._send(200, {**head, "choices": [choice], "usage": USAGE})

        def _stream(self, word: str) -> None:
            head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 0, "model": MODEL}
            delta = {"index": 0, "delta": {"role": "assistant", "content": word}, "finish_reason": None}
            end = {"index": 0, "delta": {}, "finish_reason": "stop"}
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self._event(json.dumps({**head, "choices": [delta]}))
            if word == "wait":
                backend.is_asked.set()
                backend.may_go_on.wait(LONGEST_WAIT)
            if word == "die":
                self.connection.shutdown(socket.SHUT_RDWR)
                self.close_connection = True
                return
            try:
                self._event(json.dumps({**head, "choices": [end], "usage": USAGE}))
                self._event("[DONE]")
                self.wfile.write(b"0\r\n\r\n")
            except ConnectionError:  # whoever asked has left
                self.close_connection = True

        def _event(self, data: str) -> None:
            event = f"data: {data}\n\n".encode()
            self.wfile.write(f"{len(event):x}\r\n".encode() + event + b"\r\n")
            self.wfile.flush()

        def _send(self, status: int, answer: object) -> None:
            body = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            try:
                self.wfile.write(body)
            except ConnectionError:
                self.close_connection = True

    with http_server.serving(Answer) as port:
        backend.url = f"http://{LOOPBACK}:{port}/v1"
        yield backend
