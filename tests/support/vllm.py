"""vLLM on CPU with a small chat model, and with an embedding model.

A server that runs already is taken from ``VLLM_URL`` or ``VLLM_EMBEDDING_URL``, which end in ``/v1``.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests

from tests.support import vllm_environment
from tests.support.process import LOOPBACK, NotInstalled, answers, free_port, running, scratch


@dataclass(frozen=True)
class Vllm:
    """A server's address, which ends in ``/v1``, and the model it serves."""

    url: str
    model: str


@contextmanager
def serve() -> Iterator[Vllm]:
    """A server of a chat model, which can call tools."""
    if url := os.environ.get("VLLM_URL"):
        yield _running_already(url)
        return
    options = (
        *("--max-model-len", "8192"),
        *("--max-num-seqs", "8"),
        *("--enable-auto-tool-choice", "--tool-call-parser", "hermes"),
        # So small a model gets arguments right only if it cannot get them wrong.
        *("--tool-strict-level", "parameter"),
    )
    with _serve(vllm_environment.chat_model(), "smollm2", *options) as server:
        yield server


@contextmanager
def serve_embedding() -> Iterator[Vllm]:
    """A server of an embedding model."""
    if url := os.environ.get("VLLM_EMBEDDING_URL"):
        yield _running_already(url)
        return
    with _serve(vllm_environment.embedding_model(), "minilm", "--runner", "pooling") as server:
        yield server


@contextmanager
def _serve(directory: Path, name: str, *options: str) -> Iterator[Vllm]:
    if not vllm_environment.is_made():
        raise NotInstalled(
            "no vLLM: neither VLLM_URL and VLLM_EMBEDDING_URL are set nor is the environment in "
            f"{vllm_environment.directory()} made from today's lock; run: {vllm_environment.COMMAND}"
        )
    port = free_port()
    with scratch("vllm") as work:
        command: list[str | Path] = [
            *(vllm_environment.program("vllm"), "serve", directory, "--served-model-name", name),
            # In bfloat16, CPUs that have instructions for it make the model forget the capital of France.
            *("--host", LOOPBACK, "--port", str(port), "--dtype", "float32", "--enforce-eager", *options),
        ]
        environment = {
            **vllm_environment.ENVIRONMENT,
            "VLLM_CACHE_ROOT": str(work / "cache"),
            "VLLM_CONFIG_ROOT": str(work / "config"),
            "VLLM_CPU_KVCACHE_SPACE": "1",  # GiB
            "VLLM_NO_USAGE_STATS": "1",
        }
        with running(
            command,
            log=work / "log",
            ready=lambda: answers(f"http://{LOOPBACK}:{port}/health"),
            timeout=600,
            env=environment,
        ):
            yield Vllm(f"http://{LOOPBACK}:{port}/v1", name)


def _running_already(url: str) -> Vllm:
    """The server at ``url`` and the first of its models; raises ``OSError`` if it does not answer."""
    url = url.rstrip("/")
    response = requests.get(f"{url}/models", timeout=10)
    response.raise_for_status()
    return Vllm(url, response.json()["data"][0]["id"])
