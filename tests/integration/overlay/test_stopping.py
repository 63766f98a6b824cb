"""Every launch path serves on uvloop. At SIGTERM requests in flight end or are cut, and new ones are refused."""

import json
import os
import re
import signal
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from distribution.upstream.application import APPLICATION_FACTORY
from tests.support import scripted_backend
from tests.support.postgres import Postgres
from tests.support.process import LOOPBACK, Program, answers, free_port, running, scratch
from tests.support.run_configs import postgres_kv, postgres_sql, run_config, vllm_provider
from tests.support.scripted_backend import CHAT_MODEL, DIMENSION, EMBEDDING_MODEL, ScriptedBackend
from tests.support.stack_server import ROOT, serve, stack_python

FACTORY = ["-m", "uvicorn", APPLICATION_FACTORY, "--factory", "--host", LOOPBACK]
LAUNCHES: dict[str, list[str]] = {
    "entrypoint": ["-m", "distribution", "{config}"],
    "llama-stack-run": ["-m", "llama_stack.cli.llama", "stack", "run", "{config}"],
    "operator": FACTORY,
    "operator-workers": [*FACTORY, "--workers", "2"],
}
EMBEDDING = {EMBEDDING_MODEL: {"embedding_dimension": DIMENSION}}
NO_END = "600"
"""A limit that no test waits for."""


@dataclass(frozen=True)
class Served:
    """A server, and the backend that its models are of."""

    url: str
    program: Program
    backend: ScriptedBackend

    def stream(self) -> Any:
        """A stream that its backend ends when it may, for a `with` block."""
        body = {"model": f"vllm/{CHAT_MODEL}", "messages": [{"role": "user", "content": "wait"}], "stream": True}
        return httpx.stream("POST", f"{self.url}/v1/chat/completions", json=body, timeout=60)

    def wait_until_refused(self) -> None:
        """Return once the port is closed."""
        host, port = self.url.removeprefix("http://").split(":")

        def is_refused() -> bool:
            with suppress(ConnectionRefusedError), socket.create_connection((host, int(port)), timeout=5):
                return False
            return True

        self.program.wait_until(is_refused, timeout=30)

    def libraries(self) -> set[str]:
        """The packages whose libraries the processes that serve have loaded."""
        serving = Path(f"/proc/{self.program.process.pid}")
        workers = (serving / "task" / serving.name / "children").read_text().split()
        maps = [(serving.parent / pid / "maps").read_text() for pid in (serving.name, *workers)]
        return set(re.findall(r"/site-packages/(\w+)/", "".join(maps)))

    def errors(self) -> list[str]:
        """The lines of the log that tell of an error."""
        lines = self.program.log.read_text().splitlines()
        return [line for line in lines if re.search(r"ERROR|Traceback|Error:", line)]


@pytest.fixture(scope="module")
def backend() -> Iterator[ScriptedBackend]:
    with scripted_backend.serve() as backend:
        yield backend


@contextmanager
def launched(launch: str, backend: ScriptedBackend, postgres: Postgres, grace: str = NO_END) -> Iterator[Served]:
    backend.may_go_on.clear()
    port = free_port()
    database = postgres.new_database()
    with scratch("stopping") as directory:
        config = run_config(
            directory,
            {"inference": [vllm_provider("vllm", backend.url, embedding_models=EMBEDDING)]},
            kv_backend=postgres_kv(database, "kv"),
            sql_backend=postgres_sql(database),
        )
        path = directory / "run.yaml"
        path.write_text(yaml.safe_dump({**config, "server": {"host": LOOPBACK}}))
        # As the image's path file does, for each Python that starts.
        (directory / "sitecustomize.py").write_text("import distribution.hooks\n")
        words = [word.format(config=path) for word in LAUNCHES[launch]]
        url = f"http://{LOOPBACK}:{port}"
        env = {
            "PYTHONPATH": f"{directory}:{ROOT}",
            "LLAMA_STACK_CONFIG": str(path),
            "SHUTDOWN_GRACE_SECONDS": grace,
        }
        with running(
            [stack_python(), *words, "--port", str(port)],
            log=directory / "log",
            ready=lambda: answers(f"{url}/v1/health"),
            cwd=directory,
            env=env,
        ) as program:
            yield Served(url, program, backend)


def events(lines: Iterator[str]) -> Iterator[str]:
    return (line.removeprefix("data: ") for line in lines if line and line != "data: [DONE]")


def is_whole(events: list[str]) -> bool:
    """Whether the last of a stream's events says that the model has come to its end."""
    last = json.loads(events[-1])
    return "error" not in last and last["choices"][0]["finish_reason"] == "stop"


@pytest.mark.parametrize("launch", LAUNCHES)
def test_a_stream_ends_while_new_requests_are_refused(
    launch: str, backend: ScriptedBackend, postgres: Postgres
) -> None:
    with launched(launch, backend, postgres) as served, served.stream() as answer:
        lines = events(answer.iter_lines())
        next(lines)
        libraries = served.libraries()
        served.program.process.send_signal(signal.SIGTERM)
        served.wait_until_refused()
        backend.may_go_on.set()
        rest = list(lines)
        code = served.program.process.wait(30)

        assert {"uvloop", "httptools"} <= libraries
        assert is_whole(rest)
        assert code == 0, served.program.log_tail()
        assert served.errors() == []


@pytest.mark.parametrize("launch", ["entrypoint", "operator-workers"])
@pytest.mark.parametrize("told", ["once", "twice"])
def test_what_does_not_end_is_cut_with_a_clear_end(
    launch: str, told: str, backend: ScriptedBackend, postgres: Postgres
) -> None:
    grace = "1" if told == "once" else NO_END
    with launched(launch, backend, postgres, grace) as served, served.stream() as answer:
        lines = events(answer.iter_lines())
        next(lines)
        served.program.process.send_signal(signal.SIGTERM)
        served.wait_until_refused()
        if told == "twice":
            served.program.process.send_signal(signal.SIGTERM)
        rest = list(lines)
        code = served.program.process.wait(30)

        assert json.loads(rest[-1])["error"]["code"] == 503
        assert code == 0, served.program.log_tail()
        assert served.errors() == []


def test_an_answer_that_has_not_begun_is_a_503(backend: ScriptedBackend, postgres: Postgres) -> None:
    with launched("entrypoint", backend, postgres, grace="0") as served:
        path, body = f"{served.url}/v1/embeddings", {"model": f"vllm/{EMBEDDING_MODEL}", "input": "wait"}
        asked = len(backend.asked)
        with ThreadPoolExecutor() as pool:
            answer = pool.submit(httpx.post, path, json=body, timeout=60)
            served.program.wait_until(lambda: len(backend.asked) > asked, timeout=30)
            served.program.process.send_signal(signal.SIGTERM)
            found = answer.result()

        assert (found.status_code, found.headers["connection"]) == (503, "close")
        assert found.json()["error"]["code"] == 503
        assert found.headers["x-content-type-options"] == "nosniff"
        assert served.program.process.wait(30) == 0


def test_what_was_acknowledged_while_it_stopped_is_stored(backend: ScriptedBackend, tmp_path: Path) -> None:
    backend.may_go_on.clear()
    config = run_config(tmp_path, {"inference": [vllm_provider("vllm", backend.url)]})
    with serve(config) as stack, Served(stack.url, stack.program, backend).stream() as answer:
        lines = events(answer.iter_lines())
        first = json.loads(next(lines))
        stack.program.process.send_signal(signal.SIGTERM)
        Served(stack.url, stack.program, backend).wait_until_refused()
        backend.may_go_on.set()
        assert is_whole(list(lines))
        assert stack.program.process.wait(30) == 0
    with serve(config) as stack:
        assert stack.openai.chat.completions.retrieve(first["id"]).choices[0].message.content == 'You said: "wait"'


def test_an_interrupt_at_the_terminal_counts_once_for_workers(backend: ScriptedBackend, postgres: Postgres) -> None:
    with launched("operator-workers", backend, postgres) as served, served.stream() as answer:
        lines = events(answer.iter_lines())
        next(lines)
        os.killpg(served.program.process.pid, signal.SIGINT)
        served.wait_until_refused()
        served.program.wait_until(lambda: "Terminated child process" in served.program.log.read_text(), timeout=30)
        backend.may_go_on.set()
        assert is_whole(list(lines))
        assert served.program.process.wait(30) == 0
