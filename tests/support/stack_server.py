"""A llama-stack server with this distribution's providers.

It runs with the Python that ``TEST_STACK_PYTHON`` names, or else with the one that runs the tests; either needs
the packages of the image.
"""

import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml
from llama_stack_client import LlamaStackClient
from openai import OpenAI

from tests.support.process import LOOPBACK, NotInstalled, Program, answers, free_port, running, scratch

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class StackServer:
    """A server that answers, and its process."""

    url: str
    program: Program

    @cached_property
    def openai(self) -> OpenAI:
        """OpenAI's client of the server. It tries nothing twice, so that tests see what the server does."""
        return OpenAI(base_url=f"{self.url}/v1", api_key="none", max_retries=0, timeout=120)

    @cached_property
    def client(self) -> LlamaStackClient:
        """llama-stack's client of the server."""
        return LlamaStackClient(base_url=self.url, max_retries=0, timeout=120)


@contextmanager
def serve(run_config: Mapping[str, Any], env: Mapping[str, str] | None = None) -> Iterator[StackServer]:
    """Serve a run config until the block ends, with ``env`` added to the environment.

    Raises ``StartError``, with the end of the log, when the server ends or does not answer.
    """
    port = free_port()
    url = f"http://{LOOPBACK}:{port}"
    with scratch("stack") as directory:
        path = directory / "run.yaml"
        address = {"host": LOOPBACK, "port": port}
        path.write_text(yaml.safe_dump({**run_config, "server": {**run_config.get("server", {}), **address}}))
        command: list[str | Path] = [stack_python(), "-m", "distribution", "--config", path]
        with running(
            command,
            log=directory / "log",
            ready=lambda: answers(f"{url}/v1/health"),
            cwd=directory,
            env={"PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1", **(env or {})},
        ) as program:
            yield StackServer(url, program)


def run_python(code: str, *arguments: str, env: Mapping[str, str] | None = None) -> str:
    """Run code with the server's Python and return what it prints.

    As in the image, llama-stack is as this distribution changes it. Raises ``CalledProcessError``.
    """
    return subprocess.run(
        [stack_python(), "-c", f"import distribution.hooks\n{code}", *arguments],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), **(env or {})},
    ).stdout


def stack_python() -> str:
    """The Python that has the packages of the image; raises ``NotInstalled``."""
    if python := os.environ.get("TEST_STACK_PYTHON"):
        return python
    if importlib.util.find_spec("llama_stack") is None:
        raise NotInstalled("no llama-stack: set TEST_STACK_PYTHON to a Python that has the packages of the image")
    return sys.executable
