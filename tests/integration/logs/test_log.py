"""The log of a served stack: how many lines a start, a request, a fault and an end take, and what is in them."""

import json
import re
import signal
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.integration.logs import faulty_backend
from tests.integration.logs.faulty_backend import DIMENSION, EMBEDDING_MODEL, FaultyBackend
from tests.support.process import LOOPBACK, Program, answers, free_port, running, scratch
from tests.support.run_configs import AGENTS, FAISS, local_files, run_config, vllm_provider
from tests.support.stack_server import ROOT, StackServer, serve

PLAIN = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (DEBUG|INFO|WARNING|ERROR) (\S+)(?: \[\S+\])?: (.+)")
ACCESS = re.compile(r"(GET|POST) (\S+) (\d{3}) \d+\.\d ms client=127\.0\.0\.1 id=(\S+)(.*)")
MOST_OF_A_START = 12


def config_with(backend: FaultyBackend, directory: Path, **more: Any) -> dict[str, Any]:
    """A run config with chat, embeddings, files, vector stores, Responses and MCP."""
    embedding_models = {EMBEDDING_MODEL: {"embedding_dimension": DIMENSION}}
    providers = {
        "inference": [vllm_provider("v", backend.url, embedding_models=embedding_models)],
        "agents": [AGENTS],
        "files": [local_files(directory)],
        "vector_io": [FAISS],
        "tool_runtime": [
            {"provider_id": "rag", "provider_type": "inline::rag-runtime", "config": {}},
            {"provider_id": "mcp", "provider_type": "remote::model-context-protocol", "config": {}},
        ],
    }
    return run_config(directory, providers, **more)


@pytest.fixture(scope="module")
def backend() -> Iterator[FaultyBackend]:
    """The models behind the servers."""
    with faulty_backend.serve() as server:
        yield server


class Served:
    """A server with JSON lines, and a client of it."""

    def __init__(self, server: StackServer) -> None:
        self.server = server
        self.http = httpx.Client(base_url=server.url, timeout=60)
        self.start = entries_of(server.program)
        self._number = 0

    def log_of(self, method: str, path: str, **request: Any) -> tuple[httpx.Response, list[dict[str, Any]]]:
        """Send a request, and return the answer and all entries of the log that have its id, the access line last."""
        self._number += 1
        request_id = f"test-{self._number}"
        answer = self.http.request(method, path, headers={"x-request-id": request_id}, **request)
        assert answer.headers["x-request-id"] == request_id
        return answer, self.entries(request_id)

    def entries(self, request_id: str) -> list[dict[str, Any]]:
        """Wait for a request's access line, and return the entries that have its id."""

        def found() -> list[dict[str, Any]]:
            return [one for one in entries_of(self.server.program) if one.get("request_id") == request_id]

        self.server.program.wait_until(lambda: any(one["category"] == "access" for one in found()), timeout=20)
        return found()


def entries_of(program: Program) -> list[dict[str, Any]]:
    """All entries of a log of JSON lines; fails for a line that is none."""
    return [json.loads(line) for line in program.log.read_text().splitlines()]


@pytest.fixture(scope="module")
def served(backend: FaultyBackend, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server as the image starts it, with telemetry off."""
    config = config_with(backend, tmp_path_factory.mktemp("json"))
    environment = {"LOG_FORMAT": "json", "LLAMA_STACK_OUTGOING": f"allow {LOOPBACK}"}
    with serve(config, environment) as server:
        yield Served(server)


def chat(word: str, *, model: str = "v/m", stream: bool = False) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": word}], "stream": stream}


def test_a_start_is_a_dozen_lines(served: Served) -> None:
    said = [entry["message"] for entry in served.start]

    assert len(said) <= MOST_OF_A_START
    assert {entry["level"] for entry in served.start} == {"INFO"}
    for part in (
        "verified ",
        "llama-stack 0.3.3",
        "providers: agents",
        "state: kv_default kv_sqlite /",
        "Uvicorn running",
    ):
        assert any(part in line for line in said)
    assert "authentication: off; telemetry: off" in said


def test_a_request_is_one_line(served: Served) -> None:
    answer, (entry,) = served.log_of("POST", "/v1/chat/completions", json=chat("hello"))

    assert answer.status_code == 200
    assert "x-trace-id" not in answer.headers
    assert isinstance(entry.pop("ms"), float)
    del entry["time"]
    assert entry == {
        "level": "INFO",
        "category": "access",
        "logger": "access",
        "message": "POST /v1/chat/completions 200",
        "request_id": entry["request_id"],
        "client": LOOPBACK,
        "method": "POST",
        "route": "/v1/chat/completions",
        "status": 200,
        "model": "v/m",
        "input_tokens": 3,
        "output_tokens": 5,
    }


@pytest.mark.parametrize(
    ("path", "body", "facts"),
    [
        ("/v1/chat/completions", chat("hello", stream=True), ("v/m", 3, 5)),
        ("/v1/responses", {"model": "v/m", "input": "hello"}, ("v/m", 3, 5)),
        ("/v1/embeddings", {"model": f"v/{EMBEDDING_MODEL}", "input": ["a"]}, (f"v/{EMBEDDING_MODEL}", 3, None)),
    ],
)
def test_a_line_says_what_was_asked_and_what_it_took(
    served: Served, path: str, body: dict[str, Any], facts: tuple[str, int, int | None]
) -> None:
    answer, (entry,) = served.log_of("POST", path, json=body)

    assert answer.status_code == 200
    assert (entry["model"], entry["input_tokens"], entry.get("output_tokens")) == facts


def test_an_id_is_made_where_none_can_be_used(served: Served) -> None:
    answer = served.http.get("/v1/models", headers={"x-request-id": "a b"})

    (entry,) = served.entries(answer.headers["x-request-id"])
    assert re.fullmatch("[0-9a-f]{24}", entry["request_id"])


def test_probes_are_silent(served: Served) -> None:
    before = len(entries_of(served.server.program))
    for path in ("/v1/health", "/v1/version"):
        assert served.http.get(path).status_code == 200
    served.log_of("GET", "/v1/models")

    assert len(entries_of(served.server.program)) == before + 1


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/nothing", None, 404),
        ("GET", "/v1/models/none", None, 404),
        ("POST", "/v1/chat/completions", chat("hello", model="none"), 404),
        ("POST", "/v1/chat/completions", chat("hello", model="no/model", stream=True), 404),
        ("POST", "/v1/chat/completions", {"model": "v/m"}, 400),
        ("POST", "/v1/embeddings", "no object", 400),
        ("DELETE", "/v1/files/none", None, 404),
        ("PUT", "/v1/models", None, 405),
    ],
)
def test_a_clients_mistake_is_its_line_and_at_most_a_reason(
    served: Served, method: str, path: str, body: Any, status: int
) -> None:
    answer, entries = served.log_of(method, path, json=body)

    assert answer.status_code == status
    assert entries[-1]["status"] == status
    assert len(entries) <= 2
    assert {entry["level"] for entry in entries} == {"INFO"}
    assert not any("exception" in entry for entry in entries)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("word", "status"), [*faulty_backend.REFUSALS.items()])
def test_a_backends_refusal_is_at_most_one_line_more(served: Served, word: str, status: int, stream: bool) -> None:
    answer, (*reasons, access) = served.log_of("POST", "/v1/chat/completions", json=chat(word, stream=stream))

    assert answer.status_code == access["status"] == status
    assert [reason["level"] for reason in reasons] == (["WARNING"] if status >= 500 else [])
    assert all(f"told to {word}" in reason["message"] and "exception" not in reason for reason in reasons)


@pytest.mark.parametrize(("word", "status"), [*faulty_backend.REFUSALS.items()])
def test_a_backends_refusal_of_a_response_is_one_line_more(served: Served, word: str, status: int) -> None:
    answer, (reason, access) = served.log_of("POST", "/v1/responses", json={"model": "v/m", "input": word})

    assert answer.status_code == access["status"] == status
    assert reason["level"] == ("WARNING" if status >= 500 else "INFO")
    assert f"told to {word}" in reason["message"]
    assert "exception" not in reason


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/chat/completions", chat("die", stream=True)),
        ("/v1/responses", {"model": "v/m", "input": "die"}),
        ("/v1/responses", {"model": "v/m", "input": "die", "stream": True}),
    ],
)
def test_a_vllm_that_dies_in_mid_stream_is_one_line_more(served: Served, path: str, body: dict[str, Any]) -> None:
    _, (reason, access) = served.log_of("POST", path, json=body)

    assert access["category"] == "access"
    assert (reason["level"], "exception" in reason) == ("WARNING", False)
    assert "closed" in reason["message"]


@pytest.mark.parametrize("stream", [False, True])
def test_an_mcp_server_that_is_down_is_one_line_more(served: Served, stream: bool) -> None:
    mcp = {"type": "mcp", "server_label": "down", "server_url": f"http://{LOOPBACK}:{free_port()}/mcp"}
    body = {"model": "v/m", "input": "hello", "tools": [mcp], "stream": stream}
    _, (reason, access) = served.log_of("POST", "/v1/responses", json=body)

    assert access["category"] == "access"
    assert (reason["level"], "exception" in reason) == ("WARNING", False)
    assert mcp["server_url"] in reason["message"]


def test_a_tool_group_whose_server_is_down_is_one_line_more(served: Served) -> None:
    url = f"http://{LOOPBACK}:{free_port()}/mcp"
    group = {"toolgroup_id": "mcp::down", "provider_id": "mcp", "mcp_endpoint": {"uri": url}}
    served.log_of("POST", "/v1/toolgroups", json=group)

    _, (reason, access) = served.log_of("GET", "/v1/tools", params={"toolgroup_id": "mcp::down"})

    assert access["route"] == "/v1/tools", "without its query"
    assert reason["level"] == "WARNING"
    assert url in reason["message"]


@pytest.mark.parametrize("content", [b"%PDF none", None], ids=["not a PDF", "not there"])
def test_a_file_that_cannot_be_attached_is_one_line_more(served: Served, content: bytes | None) -> None:
    file_id = "file-none"
    if content:
        given = {"file": ("a.pdf", content)}
        uploaded, _ = served.log_of("POST", "/v1/files", files=given, data={"purpose": "assistants"})
        file_id = uploaded.json()["id"]
    model = {"embedding_model": f"v/{EMBEDDING_MODEL}", "embedding_dimension": DIMENSION}
    store, _ = served.log_of("POST", "/v1/vector_stores", json={"name": "s", **model})

    answer, (reason, _) = served.log_of(
        "POST", f"/v1/vector_stores/{store.json()['id']}/files", json={"file_id": file_id}
    )

    assert answer.json()["status"] == "failed"
    assert reason["message"].startswith("Error attaching file to vector store: ")
    assert (reason["level"], "exception" in reason) == ("INFO", False)


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_leaves_is_told_from_one_that_got_its_answer(
    served: Served, backend: FaultyBackend, stream: bool
) -> None:
    backend.is_asked.clear()
    backend.may_go_on.clear()
    request_id = f"leaves-{stream}"
    with (
        suppress(httpx.ReadTimeout),
        httpx.Client(base_url=served.server.url, headers={"x-request-id": request_id}) as leaving,
        leaving.stream("POST", "/v1/chat/completions", json=chat("wait", stream=stream), timeout=1) as answer,
    ):
        next(answer.iter_bytes())
    if not stream:  # a stream is noticed at once
        threading.Timer(0.5, backend.may_go_on.set).start()
    entries = served.entries(request_id)
    backend.may_go_on.set()

    (access,) = entries
    assert (access["status"], access.get("client_left")) == ((200, True) if stream else (499, None))


def test_a_deprecated_route_is_a_warning_once(served: Served) -> None:
    _, first = served.log_of("GET", "/v1/openai/v1/models")
    _, second = served.log_of("GET", "/v1/openai/v1/models")

    assert [entry["level"] for entry in first] == ["WARNING", "INFO"]
    assert first[0]["message"] == "GET /v1/openai/v1/models is used, which is deprecated; this is said once"
    assert len(second) == 1


def test_telemetry_that_is_on_traces_and_leaves_libraries_quiet(backend: FaultyBackend, tmp_path: Path) -> None:
    with serve(config_with(backend, tmp_path, telemetry={"enabled": True})) as traced:
        answer = httpx.post(f"{traced.url}/v1/chat/completions", json=chat("hello"), timeout=60)
        deprecated = [httpx.get(f"{traced.url}/v1/openai/v1/models", timeout=60) for _ in range(2)]
        log = traced.program.log.read_text()

    assert len({one.headers["x-trace-id"] for one in (answer, *deprecated)}) == 3
    assert "OTEL_EXPORTER_OTLP_ENDPOINT is not set" in log
    assert "HTTP Request" not in log
    assert log.lower().count("deprecated") == 1


def test_a_clean_stop_has_no_error(backend: FaultyBackend, tmp_path: Path) -> None:
    with serve(config_with(backend, tmp_path)) as server:
        before = len(server.program.log.read_text().splitlines())
        server.program.process.send_signal(signal.SIGTERM)
        assert server.program.process.wait(20) == 0
        lines = server.program.log.read_text().splitlines()[before:]

    assert 1 <= len(lines) <= 4
    assert {match[1] for line in lines if (match := PLAIN.fullmatch(line))} == {"INFO"}


@contextmanager
def started(
    command: list[str], config: Mapping[str, Any], directory: Path, **environment: str
) -> Iterator[StackServer]:
    """Serve with a command of somebody else's, as in the image: whoever imports llama-stack gets it as it is there."""
    port = free_port()
    url = f"http://{LOOPBACK}:{port}"
    with scratch("site") as site:
        (site / "sitecustomize.py").write_text("import distribution.hooks\n")
        (directory / "run.yaml").write_text(yaml.safe_dump(dict(config)))
        words = [word.format(port=port, config=directory / "run.yaml") for word in command]
        with running(
            [Path(sys.executable).parent / words[0], *words[1:]],
            log=directory / "log",
            ready=lambda: answers(f"{url}/v1/health"),
            cwd=directory,
            env={
                "PYTHONPATH": f"{site}:{ROOT}",
                "HF_HUB_OFFLINE": "1",
                "LLAMA_STACK_CONFIG": str(directory / "run.yaml"),
                **environment,
            },
        ) as program:
            yield StackServer(url, program)


def test_with_the_operators_command_and_workers_each_request_is_one_whole_line(
    backend: FaultyBackend, tmp_path: Path
) -> None:
    factory = "llama_stack.core.server.server:create_app"
    command = ["uvicorn", factory, "--factory", "--host", LOOPBACK, "--port", "{port}", "--workers", "2"]
    ids = [f"request-{number}-{'x' * 100}" for number in range(200)]
    with started(command, config_with(backend, tmp_path), tmp_path) as server:
        start = server.program.log.read_text().splitlines()

        def ask(request_id: str) -> int:
            headers = {"x-request-id": request_id, "connection": "close"}
            return httpx.get(f"{server.url}/v1/models/none", headers=headers, timeout=60).status_code

        with ThreadPoolExecutor(8) as pool:
            assert set(pool.map(ask, ids)) == {404}
        server.program.process.send_signal(signal.SIGTERM)
        server.program.process.wait(20)
        lines = server.program.log.read_text().splitlines()

    # Of two workers each says that it has started, and twelve lines are for what is served.
    assert len([line for line in start if "WARNING" not in line]) <= MOST_OF_A_START
    matches = [PLAIN.fullmatch(line) for line in lines]
    assert [line for line, match in zip(lines, matches, strict=True) if not match] == []
    requests = [ACCESS.fullmatch(match[3]) for match in matches if match and match[2] == "access"]
    assert Counter(request[4] for request in requests if request) == dict.fromkeys(ids, 1)
    assert "ERROR" not in {match[1] for match in matches if match}


def test_llama_stack_run_obeys_the_levels(backend: FaultyBackend, tmp_path: Path) -> None:
    config = {**config_with(backend, tmp_path), "server": {"host": LOOPBACK}}
    command = ["llama", "stack", "run", "{config}", "--port", "{port}"]
    levels = "access=warning,core=debug"
    with started(command, config, tmp_path, LLAMA_STACK_LOGGING=levels, LOG_FORMAT="JSON") as server:
        answer = httpx.get(f"{server.url}/v1/models/none", headers={"x-request-id": "abc"}, timeout=60)
        assert answer.headers["x-request-id"] == "abc"
        entries = entries_of(server.program)

    assert "access" not in {entry["category"] for entry in entries}
    assert [one["level"] for one in entries if one.get("request_id") == "abc"][-1] == "INFO"
    assert "DEBUG" in {entry["level"] for entry in entries if entry["category"].startswith("core")}
    assert "DEBUG" not in {entry["level"] for entry in entries if not entry["category"].startswith("core")}
