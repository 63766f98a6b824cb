"""The servers that are compared: ours as an image has it, stock as people install it, and the backend of both.

Both run on the same tree of Debian packages with the same Python, in a Linux user namespace, with the default run
config. Stock is what `uv pip install` makes of the newest packages that llama-stack names for its providers, without
bytecode.
"""

import contextlib
import hashlib
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from benchmarks import backend, stock
from builder import command, paths, payload, progress, sandbox, staging
from builder.stage import Stage
from tests.support import identity_provider
from tests.support.postgres import Postgres
from tests.support.process import LOOPBACK, Program, answers, free_port, running, scratch

CHAT_MODEL = f"vllm/{backend.CHAT_MODEL}"
CHAT_PATH = "/v1/chat/completions"
EMBEDDING_MODEL = f"vllm-embedding/{backend.EMBEDDING_MODEL}"
TOKEN = "the-token-of-the-benchmarks"  # noqa: S105 (of servers that nobody else reaches)
STOCK = paths.BUILD / "benchmarks"
"""Where stock is installed, for later runs as well."""

_MOUNTED, _STATE = Path("/mnt"), Path("/", payload.DATA)
_TOKENS = "tokens"


@dataclass(frozen=True)
class Server:
    """A server that answers."""

    name: str
    url: str
    process: int
    """Its id; what is measured is this process with all below it."""
    log: Path
    data: Path
    """Where its state is."""
    seconds: float = 0
    """From the start to the first 200 from `/v1/health`."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """What a request needs."""


@dataclass(frozen=True)
class Peer:
    """Something that can be started."""

    name: str
    words: Sequence[str]
    run_config: Path
    guarded: Path
    """The run config with authentication that AUTH_JWKS_URL or AUTH_TOKENS_FILE switches on."""
    enter: Callable[[Sequence[str], Mapping[str, str], Path], list[str]]
    """The command line for words, environment and the directory of the state."""
    stop: Callable[[subprocess.Popen[bytes]], object]
    state: Path | None = None
    """Where the program sees its state; None if it is where it is."""


@contextmanager
def staged() -> Iterator[tuple[Peer, Peer]]:
    """Ours and stock on the tree that a build would make."""
    with _tree() as tree:
        site = _install_stock(tree)
        _write_run_configs(site)
        # -S leaves out the directory where our packages are, PYTHONPATH names the one of stock's.
        words = ["env", f"PYTHONPATH={_MOUNTED}", "python", "-S", *_STOCK_WORDS]
        configs = (_MOUNTED / "run.yaml", _MOUNTED / "guarded.yaml")
        yield _ours(tree), Peer("stock", words, *configs, _entering(tree, site), sandbox.stop, _STATE)


@contextmanager
def staged_ours() -> Iterator[Peer]:
    """Ours alone."""
    with _tree() as tree:
        yield _ours(tree)


@contextmanager
def _tree() -> Iterator[Stage]:
    if why := sandbox.why_unavailable():
        raise SystemExit(f"the image's tree cannot be run: {why}")
    with staging.one_at_a_time():
        yield staging.whole_tree()


def _ours(tree: Stage) -> Peer:
    config = Path("/", payload.HOME, "run.yaml")
    return Peer("ours", payload.ENTRYPOINT, config, config, _entering(tree), sandbox.stop, _STATE)


def _entering(tree: Stage, work: Path | None = None) -> Callable[[Sequence[str], Mapping[str, str], Path], list[str]]:
    def enter(words: Sequence[str], environment: Mapping[str, str], data: Path) -> list[str]:
        all_variables = {**payload.ENVIRONMENT, **environment}
        return sandbox.command(tree.root, words, environment=all_variables, data=data, work=work)

    return enter


@contextmanager
def here() -> Iterator[tuple[Peer, Peer]]:
    """Ours and stock with the packages of this Python: nothing is built or installed, and stock has our event loop."""

    def enter(words: Sequence[str], environment: Mapping[str, str], data: Path) -> list[str]:
        places = {
            "HOME": str(data),
            "LLAMA_STACK_CONFIG_DIR": str(data),
            "SQLITE_STORE_DIR": str(data),
            "FILES_STORAGE_DIR": str(data / "files"),
            "PYTHONPATH": str(paths.ROOT),
        }
        return [
            "env",
            "-C",
            str(data),
            *(f"{name}={value}" for name, value in {**places, **environment}.items()),
            *words,
        ]

    with scratch("peers") as work:
        _write_run_configs(work)
        ours = Peer("ours", [sys.executable, "-m", "distribution"], paths.RUN_CONFIG, paths.RUN_CONFIG, enter, _stop)
        configs = (work / "run.yaml", work / "guarded.yaml")
        yield ours, Peer("stock", [sys.executable, *_STOCK_WORDS], *configs, enter, _stop)


_STOCK_WORDS = ("-m", "llama_stack.cli.llama", "stack", "run")


@contextmanager
def serve(peer: Peer, model_server: Server, settings: Mapping[str, str] | None = None) -> Iterator[Server]:
    """Start a peer on new state; it asks `model_server` for everything. `settings` are further variables."""
    with scratch("data") as data, _started(peer, peer.run_config, model_server, data, settings or {}) as server:
        yield server


def on_postgres(database: Postgres) -> dict[str, str]:
    """Settings of a server that keeps its state in PostgreSQL."""
    return {
        "POSTGRES_HOST": database.host,
        "POSTGRES_PORT": str(database.port),
        "POSTGRES_DB": database.database,
        "POSTGRES_USER": database.user,
        "POSTGRES_PASSWORD": database.password,
    }


@contextmanager
def serve_guarded(peer: Peer, model_server: Server) -> Iterator[Server]:
    """The same with authentication and traces on.

    Ours reads its tokens in a file. Stock has nothing like it; there tokens are signed, which is its cheapest way.
    """
    traces = {"TELEMETRY_ENABLED": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": model_server.url}
    with scratch("data") as data, contextlib.ExitStack() as stack:
        if peer.run_config == peer.guarded:
            (data / _TOKENS).write_text(f"{TOKEN},benchmark\n")
            settings, token = {"AUTH_TOKENS_FILE": str((peer.state or data) / _TOKENS)}, TOKEN
        else:
            issuer = stack.enter_context(identity_provider.serve())
            settings, token = {"AUTH_JWKS_URL": issuer.url}, issuer.token(lifetime=24 * 3600)
        headers = {"Authorization": f"Bearer {token}"}
        yield stack.enter_context(_started(peer, peer.guarded, model_server, data, settings | traces, headers))


@contextmanager
def serve_backend() -> Iterator[Server]:
    """The model server that both ask; measured by itself it is what a proxy without cost would be."""
    port = free_port()
    url = f"http://{LOOPBACK}:{port}"
    with scratch("backend") as directory:
        log = directory / "log"
        words = [sys.executable, "-m", "benchmarks.backend", str(port)]
        environment = {"PYTHONPATH": str(paths.ROOT)}
        with running(words, log=log, ready=lambda: answers(f"{url}/health"), env=environment) as program:
            yield Server("backend", url, program.process.pid, log, directory)


@contextmanager
def _started(
    peer: Peer,
    run_config: Path,
    model_server: Server,
    data: Path,
    settings: Mapping[str, str],
    headers: Mapping[str, str] | None = None,
) -> Iterator[Server]:
    port = free_port()
    environment = {
        "VLLM_URL": f"{model_server.url}/v1",
        "VLLM_EMBEDDING_URL": f"{model_server.url}/embedding/v1",
        "VLLM_EMBEDDING_MODEL": backend.EMBEDDING_MODEL,
        "VLLM_EMBEDDING_DIMENSION": str(backend.DIMENSION),
        "LLAMA_STACK_HOST": LOOPBACK,
        **settings,
    }
    words = peer.enter([*peer.words, str(run_config), "--port", str(port)], environment, data)
    log = data / "log"
    url = f"http://{LOOPBACK}:{port}"
    with log.open("wb") as output:
        started = time.monotonic()
        process = subprocess.Popen(
            ["setpriv", "--pdeathsig=KILL", *words], stdout=output, stderr=output, stdin=subprocess.DEVNULL
        )
        try:
            program = Program(words, process, log)
            program.wait_until(lambda: answers(f"{url}/v1/health"), timeout=120, pause=0.01)
            seconds = time.monotonic() - started
            yield Server(peer.name, url, process.pid, log, data, seconds, headers or {})
        finally:
            peer.stop(process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(sandbox.STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _write_run_configs(folder: Path) -> None:
    """Stock's run config, without and with authentication."""
    document: dict[str, Any] = yaml.safe_load(stock.run_config())
    document["server"]["host"] = LOOPBACK
    (folder / "run.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")
    signed = {"type": "oauth2_token", "jwks": {"uri": "${env.AUTH_JWKS_URL}"}}
    document["server"]["auth"] = {"provider_config": signed}
    (folder / "guarded.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")


def _install_stock(tree: Stage) -> Path:
    """The directory with stock's packages for a tree's Python; installed if it is not there."""
    build_config = stock.build_config()
    python = tree.base.python_version
    key = hashlib.sha256("\n".join([build_config, *stock.CONSTRAINTS, python]).encode()).hexdigest()[:16]
    site = STOCK / f"stock-{key}"
    if site.is_dir():
        return site
    with scratch("stock") as work, progress.step("stock", "the newest packages of its providers") as step:
        (work / "build.yaml").write_text(build_config, encoding="utf-8")
        (work / "constraints.txt").write_text("\n".join(stock.CONSTRAINTS), encoding="utf-8")
        named = command.run(
            [sys.executable, "-m", "llama_stack.cli.llama", "stack", "list-deps", work / "build.yaml"],
            failure="llama-stack does not name the packages of its providers",
        )
        draft = site.with_suffix(".part")
        words: list[str | Path] = ["pip", "install", "--quiet", "--target", draft]
        words += ["--constraints", work / "constraints.txt", "--python-version", python]
        words += ["--python-platform", tree.platform.wheels, "llama-stack", "llama-stack-client", *shlex.split(named)]
        command.run_uv(words, failure="stock llama-stack cannot be installed")
        draft.rename(site)
        step.detail = f"{len(list(site.glob('*.dist-info')))} packages"
    return site
