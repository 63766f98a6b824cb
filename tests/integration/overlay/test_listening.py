"""Wherever uvicorn can listen, it does so on uvloop: IPv6, TLS, a Unix socket, a socket that is handed over."""

import http.client
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme
import yaml

from distribution.upstream.application import APPLICATION_FACTORY
from tests.support.process import LOOPBACK, free_port, running
from tests.support.run_configs import PROMPTS, run_config
from tests.support.stack_server import ROOT, stack_python

ENTRYPOINT = ("-m", "distribution")
UVICORN = ("-m", "uvicorn", APPLICATION_FACTORY, "--factory")

Connect = Callable[[], http.client.HTTPConnection]


@contextmanager
def listening(
    directory: Path, words: list[str], connect: Connect, server: dict[str, Any] | None = None, **env: str
) -> Iterator[str]:
    """Serve until the block ends, once `/v1/health` answers; yields which libraries the server has loaded."""

    def is_healthy() -> bool:
        connection = connect()
        connection.request("GET", "/v1/health")
        return connection.getresponse().status == 200

    path = directory / "run.yaml"
    path.write_text(yaml.safe_dump({**run_config(directory, {"prompts": [PROMPTS]}), "server": server or {}}))
    (directory / "sitecustomize.py").write_text("import distribution.hooks\n")
    with running(
        [stack_python(), *words],
        log=directory / "log",
        ready=is_healthy,
        cwd=directory,
        env={"PYTHONPATH": f"{directory}:{ROOT}", "LLAMA_STACK_CONFIG": str(path), **env},
    ) as program:
        yield Path(f"/proc/{program.process.pid}/maps").read_text()


def test_on_an_ipv6_address(tmp_path: Path) -> None:
    port = free_port()
    words = [*ENTRYPOINT, "--port", str(port)]
    with listening(tmp_path, words, lambda: http.client.HTTPConnection("::1", port), LLAMA_STACK_HOST="::1") as maps:
        assert "/uvloop/" in maps


def test_with_tls(tmp_path: Path) -> None:
    port, authority = free_port(), trustme.CA()
    issued = authority.issue_cert(LOOPBACK)
    issued.private_key_pem.write_to_path(tmp_path / "key.pem")
    issued.cert_chain_pems[0].write_to_path(tmp_path / "certificate.pem")
    context = ssl.create_default_context()
    authority.configure_trust(context)
    files = {"tls_keyfile": str(tmp_path / "key.pem"), "tls_certfile": str(tmp_path / "certificate.pem")}

    def connect() -> http.client.HTTPConnection:
        return http.client.HTTPSConnection(LOOPBACK, port, context=context)

    words = [*ENTRYPOINT, "--port", str(port)]
    with listening(tmp_path, words, connect, {"host": LOOPBACK, **files}) as maps:
        assert "/uvloop/" in maps


def test_on_a_unix_socket(tmp_path_factory: pytest.TempPathFactory) -> None:
    directory = tmp_path_factory.mktemp("s")
    address = str(directory / "s")

    class Connection(http.client.HTTPConnection):
        def connect(self) -> None:
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.connect(address)

    with listening(directory, [*UVICORN, "--uds", address], lambda: Connection("unix")) as maps:
        assert "/uvloop/" in maps


def test_on_a_socket_that_is_handed_over(tmp_path: Path) -> None:
    port = free_port()
    hand_over = (
        "import os, socket, sys\n"
        f"listener = socket.create_server(({LOOPBACK!r}, {port}))\n"
        "listener.set_inheritable(True)\n"
        "os.execv(sys.executable, [sys.executable, *sys.argv[1:], '--fd', str(listener.fileno())])\n"
    )
    words = ["-c", hand_over, *UVICORN]
    with listening(tmp_path, words, lambda: http.client.HTTPConnection(LOOPBACK, port)) as maps:
        assert "/uvloop/" in maps
