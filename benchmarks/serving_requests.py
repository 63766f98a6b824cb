"""What is sent to the servers."""

import json
import urllib.request
from typing import Any

from benchmarks import backend
from benchmarks.load import Request, posted
from benchmarks.peers import CHAT_MODEL, CHAT_PATH, EMBEDDING_MODEL, Server

CHAT = posted(
    CHAT_PATH,
    {
        "model": CHAT_MODEL,
        "messages": [
            {"role": "system", "content": "You are a helpful assistant."},
            {"role": "user", "content": "What is the capital of France?"},
        ],
    },
)
COMPLETION = posted("/v1/completions", {"model": CHAT_MODEL, "prompt": "The capital of France is", "max_tokens": 8})
UPLOAD = Request(
    "/v1/files",
    b'--of\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nassistants\r\n'
    b'--of\r\nContent-Disposition: form-data; name="file"; filename="notes.txt"\r\nContent-Type: text/plain\r\n\r\n'
    + 1000 * b"ten bytes\n"
    + b"\r\n--of--\r\n",
    "multipart/form-data; boundary=of",
)


def embedding(count: int) -> Request:
    """Vectors of so many texts."""
    texts = [f"The {number}th of some sentences, of which none is long." for number in range(count)]
    return posted("/v1/embeddings", {"model": EMBEDDING_MODEL, "input": texts if count > 1 else texts[0]})


def search_of(server: Server) -> Request:
    """A search of a new vector store with a file in it."""
    settings = {
        "name": "benchmark",
        "embedding_model": EMBEDDING_MODEL,
        "embedding_dimension": backend.DIMENSION,
        "provider_id": "faiss",
    }
    store = asked(server, "/v1/vector_stores", settings)["id"]
    file = asked(server, UPLOAD.path, UPLOAD.body, UPLOAD.content_type)["id"]
    attached = asked(server, f"/v1/vector_stores/{store}/files", {"file_id": file})
    if attached["status"] not in ("completed", "in_progress"):
        raise SystemExit(f"{server.name} does not attach a file: {attached}")
    return posted(f"/v1/vector_stores/{store}/search", {"query": "What has ten bytes?"})


def asked(server: Server, path: str, body: Any, content_type: str = "application/json") -> Any:
    """The answer to one request."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(  # noqa: S310 (a server of ours)
        server.url + path, data, {"Content-Type": content_type, **server.headers}
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=60) as response:
        return json.load(response)
