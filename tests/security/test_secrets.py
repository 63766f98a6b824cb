"""No secret is in what the image prints, answers, or tells a collector of traces.

Each secret of the default run.yaml is a word that is nowhere else. The image is started with them in its environment
and in files, and asked for all that it has, in vain where the services behind it refuse.
"""

import base64
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from builder import payload
from distribution.verification.expansion import REFERENCE
from distribution.verification.masking import SECRET_NAME
from tests.security.conftest import Served
from tests.support import http_server
from tests.support.image import BuiltImage
from tests.support.postgres import Postgres
from tests.support.process import LOOPBACK, free_port
from tests.support.sandboxed import serving

RUN_CONFIG = (Path(__file__).parents[2] / "run.yaml").read_text()
NAMES = sorted(
    {match[1] for match in REFERENCE.finditer(RUN_CONFIG) if SECRET_NAME.search(match[1])} - {"AUTH_TOKENS_FILE"}
)
SECRETS = {name: f"canary-{name.lower().replace('_', '-')}-9f3" for name in NAMES}
PROMPT = "canary-of-the-prompt"
KEY = "canary-key-of-the-request"
"""A key that a client sends in X-LlamaStack-Provider-Data, or in the headers for an MCP server."""
IN_URL = "canary-password-in-a-url"
EMPTY_BUCKET = b"<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>"


@dataclass
class Services:
    """What is behind the server: a model that says back what it was told, secrets too, S3 that refuses, a collector."""

    url: str = ""
    told: list[bytes] = field(default_factory=list)
    """What the collector of traces and metrics was told."""
    authorizations: set[str] = field(default_factory=set)


@pytest.fixture(scope="module")
def services() -> Iterator[Services]:
    """All of them, at one address."""
    services = Services()

    class Answer(http_server.Handler):
        def do_HEAD(self) -> None:
            self._send(200, b"")

        def do_GET(self) -> None:
            models = [
                {"id": name, "object": "model", "created": 0, "owned_by": "us"} for name in ("scripted", "calling")
            ]
            is_bucket = self.path.startswith("/bucket")
            self._send(200, EMPTY_BUCKET if is_bucket else json.dumps({"object": "list", "data": models}).encode())

        def do_PUT(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if b"probe" in body:  # at the start
                self._send(200, b"")
            else:
                self._refuse()

        def do_DELETE(self) -> None:
            self._send(204, b"")

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if self.path in ("/v1/traces", "/v1/metrics"):
                services.told.append(body)
                self._send(200, b"")
            elif self.path.startswith("/bucket"):
                self._refuse()
            elif b'"calling"' in body:
                self._send(200, calling(body).encode())
            else:
                services.authorizations.add(self.headers.get("Authorization", ""))
                said = f"{self.headers.get('Authorization')} is no key of mine; you said {body.decode()}"
                self._send(401, json.dumps({"error": {"message": said, "code": 401}}).encode())

        def _refuse(self) -> None:
            said = f"<Error><Code>AccessDenied</Code><Message>{self.headers['Authorization']}</Message></Error>"
            self._send(403, said.encode())

        def _send(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with http_server.serving(Answer) as port:
        services.url = f"http://{LOOPBACK}:{port}"
        yield services


def calling(body: bytes) -> str:
    """The stream of a model that searches the web for what it was told, once."""
    head = {"id": "chatcmpl-calling", "object": "chat.completion.chunk", "created": 0, "model": "calling"}
    function = {"name": "brave_search", "arguments": json.dumps({"query": PROMPT})}
    call = {"tool_calls": [{"index": 0, "id": "call_1", "type": "function", "function": function}]}
    has_called = b'"role":"tool"' in body or b'"role": "tool"' in body
    delta = {"content": "done"} if has_called else call
    chunks = [
        {**head, "choices": [{"index": 0, "delta": {"role": "assistant", **delta}, "finish_reason": None}]},
        {**head, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop" if has_called else "tool_calls"}]},
    ]
    return "".join(f"data: {json.dumps(one)}\n\n" for one in chunks) + "data: [DONE]\n\n"


def in_files(data: Path) -> dict[str, str]:
    """Write each secret into a file of the server's /data, and return the variables that name them."""
    (data / "secrets").mkdir()
    for name, secret in SECRETS.items():
        (data / "secrets" / name).write_text(f"{secret}\n")
    return {f"{name}_FILE": f"/data/secrets/{name}" for name in SECRETS}


def processes_below(pid: int) -> Iterator[Path]:
    """The folders in /proc of a process and all that it has started."""
    yield Path(f"/proc/{pid}")
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        yield from processes_below(int(child))


@dataclass(frozen=True)
class Outcome:
    """All that came out of a server."""

    printed: str
    answered: str
    traced: bytes
    processes: str


def ask_for_everything(url: str) -> str:
    """Ask for all there is to read, and for much that fails; return all answers, headers too."""
    answers: list[str] = []
    with httpx.Client(base_url=url, timeout=60) as client:

        def ask(method: str, path: str, **options: Any) -> httpx.Response:
            answer = client.request(method, path, **options)
            answers.append(f"{method} {path} {answer.status_code} {answer.headers} {answer.text}")
            return answer

        routes = ask("GET", "/v1/inspect/routes").json()["data"]
        for route in routes:
            if "GET" in route.get("method", "") and "{" not in route["route"]:
                ask("GET", route["route"])
        for provider in ask("GET", "/v1/providers").json()["data"]:
            ask("GET", f"/v1/providers/{provider['provider_id']}")
        chat = {"messages": [{"role": "user", "content": PROMPT}]}
        bad_data = {
            "X-LlamaStack-Provider-Data": json.dumps({"vllm_api_token": [KEY], "tavily_search_api_key": {"a": KEY}})
        }
        good_data = {"X-LlamaStack-Provider-Data": json.dumps({"vllm_api_token": KEY, "openai_api_key": KEY})}
        for model in ("vllm/scripted", "openai/scripted", "vllm/none", 5):
            for headers in ({}, bad_data, good_data):
                for stream in (False, True):
                    body = {**chat, "model": model, "stream": stream}
                    ask("POST", "/v1/chat/completions", json=body, headers=headers)
        ask("POST", "/v1/embeddings", json={"model": "vllm-embedding/scripted", "input": PROMPT})
        mcp = {
            "type": "mcp",
            "server_label": "down",
            "server_url": f"http://user:{IN_URL}@{LOOPBACK}:{free_port()}/mcp?api_key={IN_URL}",
            "headers": {"Authorization": f"Bearer {KEY}", "X-Api-Key": KEY},
        }
        for stream in (False, True):
            response = {"model": "vllm/scripted", "input": PROMPT, "tools": [mcp], "stream": stream}
            ask("POST", "/v1/responses", json=response, headers=good_data)
        ask("POST", "/v1/files", files={"file": ("a.txt", PROMPT.encode())}, data={"purpose": "assistants"})
        ask(
            "POST",
            "/v1/tool-runtime/invoke",
            json={"tool_name": "web_search", "kwargs": {"query": PROMPT}},
            headers=bad_data,
        )
        agent = {"model": "vllm/calling", "instructions": "search", "toolgroups": ["builtin::websearch"]}
        agents = "/v1alpha/agents"
        agents += "/" + ask("POST", agents, json={"agent_config": agent}).json()["agent_id"] + "/session"
        session = ask("POST", agents, json={"session_name": "one"}).json()["session_id"]
        turn = {"messages": [{"role": "user", "content": PROMPT}], "stream": True}
        ask("POST", f"{agents}/{session}/turn", json=turn, headers=good_data)
        ask("POST", "/v1/vector_stores", json={"name": PROMPT, "provider_id": "pgvector"})
        ask("POST", "/v1/chat/completions", content=b'{"api_key": "' + KEY.encode())
    return "\n".join(answers)


@pytest.fixture(scope="module", params=["environment", "files"])
def outcome(
    request: pytest.FixtureRequest,
    built: BuiltImage,
    services: Services,
    postgres: Postgres,
    tmp_path_factory: pytest.TempPathFactory,
) -> Outcome:
    """The image with every secret in its environment, or in files and with content in the spans."""
    data = tmp_path_factory.mktemp(request.param)
    database = postgres.new_database()
    role = f"canary_{request.param}"
    for name in ("POSTGRES_PASSWORD", "PGVECTOR_PASSWORD"):
        database.execute(f"CREATE ROLE {role}_{name.lower()} SUPERUSER LOGIN PASSWORD '{SECRETS[name]}'")
    database.execute("CREATE EXTENSION IF NOT EXISTS vector")
    by_files = request.param == "files"
    environment = {
        "VLLM_URL": f"{services.url}/v1",
        "VLLM_EMBEDDING_URL": f"{services.url}/v1",
        "OPENAI_BASE_URL": f"{services.url}/v1",
        "POSTGRES_HOST": database.host,
        "POSTGRES_PORT": str(database.port),
        "POSTGRES_DB": database.database,
        "POSTGRES_USER": f"{role}_postgres_password",
        "PGVECTOR_HOST": database.host,
        "PGVECTOR_PORT": str(database.port),
        "PGVECTOR_DB": database.database,
        "PGVECTOR_USER": f"{role}_pgvector_password",
        "S3_BUCKET_NAME": "bucket",
        "S3_ENDPOINT_URL": services.url,
        "TELEMETRY_ENABLED": "true",
        "OTEL_EXPORTER_OTLP_ENDPOINT": services.url,
        "OTEL_BSP_SCHEDULE_DELAY": "100",
        "LLAMA_STACK_LOGGING": "all=debug",
        "HTTPS_PROXY": f"http://user:{IN_URL}@{LOOPBACK}:{free_port()}",
        "NO_PROXY": LOOPBACK,
        **({"OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "true"} if by_files else {}),
        **(in_files(data) if by_files else SECRETS),
    }
    services.told.clear()
    with serving(built, environment, data) as url:
        answered = ask_for_everything(url)
        processes = processes_of_this_test() if by_files else ""
    return Outcome((data / "server.log").read_text(errors="replace"), answered, b"".join(services.told), processes)


def processes_of_this_test() -> str:
    """The command lines and environments of all that this process has started."""
    found = list(processes_below(os.getpid()))[1:]
    return "\n".join(
        (folder / name).read_bytes().replace(b"\0", b"\n").decode(errors="replace")
        for folder in found
        for name in ("cmdline", "environ")
    )


def secrets_in(text: str) -> set[str]:
    """The secrets that a text shows, as they are or in base64, cut or whole."""
    forms = {name: {secret, base64.b64encode(secret.encode()).decode()} for name, secret in SECRETS.items()}
    forms |= {"key of the request": {KEY, KEY[:15]}, "password in a URL": {IN_URL}}
    whole = "".join(text.split())  # the log breaks lines
    return {name for name, texts in forms.items() if any(one in whole for one in texts)}


def test_the_requests_reached_what_has_secrets(outcome: Outcome, services: Services) -> None:
    assert {f"Bearer {SECRETS['VLLM_API_TOKEN']}", f"Bearer {SECRETS['OPENAI_API_KEY']}", f"Bearer {KEY}"} <= (
        services.authorizations
    )
    assert "/v1/providers/pgvector 200" in outcome.answered
    assert "POST /v1/files 4" in outcome.answered or "POST /v1/files 5" in outcome.answered
    assert "DEBUG" in outcome.printed


@pytest.mark.advisory("tokens-in-logs")
@pytest.mark.advisory("passwords-in-logs")
@pytest.mark.advisory("keys-in-logs")
def test_the_log_shows_no_secret(outcome: Outcome) -> None:
    assert secrets_in(outcome.printed) == set()


@pytest.mark.advisory("user-text-in-logs")
def test_the_log_names_the_tool_that_is_called_and_no_argument(outcome: Outcome) -> None:
    printed = " ".join(outcome.printed.split())
    assert "executing tool call: web_search" in printed
    assert "with args" not in printed


def test_no_answer_shows_a_secret(outcome: Outcome) -> None:
    assert secrets_in(outcome.answered) == set()


@pytest.mark.advisory("prompts-in-spans")
def test_no_span_holds_a_secret_and_content_only_where_asked_for(outcome: Outcome) -> None:
    traced = outcome.traced.decode(errors="replace")
    assert "openai_chat_completion" in traced
    assert secrets_in(traced) == set()
    assert (PROMPT in traced) == bool(outcome.processes)


def test_with_files_no_process_shows_a_secret(outcome: Outcome) -> None:
    if outcome.processes:
        assert "VLLM_API_TOKEN_FILE=/data/secrets/VLLM_API_TOKEN" in outcome.processes
        assert not {name for name, secret in SECRETS.items() if secret in outcome.processes}


def test_workers_read_the_files_and_their_environment_shows_none(
    built: BuiltImage, services: Services, tmp_path: Path
) -> None:
    config = yaml.safe_load(RUN_CONFIG)
    config["server"]["workers"] = 2
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(config))
    (tmp_path / "token").write_text("0123456789\n")  # stays text
    environment = {"VLLM_URL": f"{services.url}/v1", "VLLM_API_TOKEN_FILE": "/data/token"}

    with serving(built, environment, tmp_path, "--config", "/data/run.yaml") as url:
        body = {"model": "vllm/scripted", "messages": [{"role": "user", "content": "hello"}]}
        answer = httpx.post(f"{url}/v1/chat/completions", json=body, timeout=60)
        processes = processes_of_this_test()

    assert answer.status_code == 401
    assert "Bearer 0123456789" in services.authorizations
    assert processes.count("VLLM_API_TOKEN_FILE=/data/token") > 2
    assert "0123456789" not in processes


@pytest.mark.parametrize("given", ["environment", "files"])
def test_a_start_that_fails_shows_no_secret(given: str, built: BuiltImage, tmp_path: Path) -> None:
    down = f"{LOOPBACK}:{free_port()}"
    host, _, port = down.partition(":")
    environment = {
        "VLLM_URL": f"http://user:{IN_URL}@{down}/v1",
        "MILVUS_ENDPOINT": f"http://{down}",
        "QDRANT_URL": f"http://{down}",
        "PGVECTOR_DB": "vectors",
        "PGVECTOR_HOST": host,
        "PGVECTOR_PORT": port,
        "LLAMA_STACK_LOGGING": "all=debug",
        **(in_files(tmp_path) if given == "files" else SECRETS),
    }

    ended = built.run(*payload.ENTRYPOINT, "--port", str(free_port()), environment=environment, data=tmp_path)

    assert ended.returncode == 78, ended.stderr
    assert "The provider `pgvector`" in ended.stderr
    assert "The provider `milvus`" in ended.stderr
    assert secrets_in(ended.stdout + ended.stderr) == set()


@pytest.mark.parametrize("form", ["--json", "--sarif", ""])
def test_verify_shows_no_secret(form: str, built: BuiltImage, tmp_path: Path) -> None:
    config = yaml.safe_load(RUN_CONFIG)
    config["image_name"] = ["${env.VLLM_API_TOKEN}"]
    config["providers"]["inference"][0]["provider_type"] = "remote::${env.VLLM_API_TOKEN}"
    config["storage"]["backends"]["kv_default"]["type"] = "${env.POSTGRES_PASSWORD}"
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(config))

    said = built.run(
        *payload.ENTRYPOINT,
        *("verify", "/data/run.yaml", *filter(None, [form])),
        environment={"VLLM_URL": "http://vllm/v1", **in_files(tmp_path)},
        data=tmp_path,
    )

    assert said.returncode == 78
    assert "****" in said.stdout
    assert secrets_in(said.stdout + said.stderr) == set()


def test_a_long_word_keeps_nobody_waiting(served: Served) -> None:
    """An error that quotes it took more than a minute, longer than the client waits."""
    body = {"model": "x" * 200_000, "messages": [{"role": "user", "content": "hello"}]}

    answer = served.http.post("/v1/chat/completions", json=body)

    assert answer.status_code == 404
    assert "x" * 200_000 in answer.json()["error"]["message"]
