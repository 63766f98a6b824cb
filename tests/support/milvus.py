"""A Milvus: its light build, which speaks the server's protocol over gRPC.

The last server on PyPI, milvus 2.3, is older than the BM25 functions that llama-stack's adapter asks for.
"""

import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.support.process import LOOPBACK, NotInstalled, accepts, free_port, running, scratch


@dataclass(frozen=True)
class Milvus:
    """The address that clients take."""

    uri: str


@contextmanager
def serve() -> Iterator[Milvus]:
    """Serve an empty Milvus until the block ends."""
    if importlib.util.find_spec("milvus_lite") is None:
        raise NotInstalled("the package milvus-lite is not installed; run: python -m pip install milvus-lite")
    port = free_port()
    with scratch("milvus") as directory:
        command = [
            *(sys.executable, "-m", "milvus_lite", "server"),
            *("--data-dir", str(directory / "data")),
            *("--host", LOOPBACK),
            *("--port", str(port)),
        ]
        with running(command, log=directory / "log", ready=lambda: accepts(port)):
            yield Milvus(f"http://{LOOPBACK}:{port}")
