"""How fast files go up and down, how much memory that takes, and how long others wait meanwhile."""

import argparse
import http.client
import json
import os
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from benchmarks.report import Conditions, Figure, Target, show
from tests.integration.files.places import LocalPlace, Place, S3Place
from tests.integration.files.usage import Usage
from tests.support import s3
from tests.support.process import LOOPBACK, answers, free_port, running, scratch
from tests.support.run_configs import run_config
from tests.support.stack_server import ROOT

OURS = ["distribution"]
# Straight from upstream's package, which knows nothing of ours.
STOCK = ["uvicorn", "llama_stack.core.server.server:create_app", "--factory"]

CLIENTS = 4
SMALL_FILES = 200
SMALL_BYTES = 10_000
BLOCK = 1 << 20
MEGABYTE = 1_000_000
PAUSE = 0.01  # seconds between two questions for the server's health
BOUNDARY = "benchmark"
MEMORY_FILE_SYSTEM = Path("/dev/shm")  # noqa: S108 (what /tmp is in a pod with a read-only root)
ALLOWED_GROWTH = Target(64)

Figures = dict[tuple[str, str], float]


def run(arguments: Sequence[str]) -> None:
    """Measure ours and stock's one after the other, for each kind of storage, and print the figures."""
    parser = argparse.ArgumentParser(prog="benchmarks/files.py", description=__doc__)
    parser.add_argument("--megabytes", type=int, default=256, metavar="N", help="how large a file is (default: 256)")
    parser.add_argument("--storage", choices=["disk", "s3"], help="one kind only")
    parser.add_argument("--json", action="store_true", help="as JSON")
    options = parser.parse_args(arguments)
    for storage in [options.storage] if options.storage else ["disk", "s3"]:
        conditions = Conditions()
        ours = _measure(storage, OURS, options.megabytes)
        stock = _measure(storage, STOCK, options.megabytes)
        figures = [
            Figure(name, unit, value, stock[name, unit], ALLOWED_GROWTH if "memory" in name else None)
            for (name, unit), value in ours.items()
        ]
        title = f"Files of {options.megabytes} MB, {'on a disk' if storage == 'disk' else 'in S3 (SeaweedFS)'}"
        show(title, figures, conditions, as_json=options.json)


@dataclass(frozen=True)
class Server:
    """A server and the memory it takes."""

    port: int
    usage: Usage

    def upload(self, pieces: Callable[[], Iterator[bytes]], size: int) -> str:
        """Upload a content and return the file's id."""
        head = (
            f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nassistants\r\n'
            f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n'
        ).encode()
        end = f"\r\n--{BOUNDARY}--\r\n".encode()

        def body() -> Iterator[bytes]:
            yield head
            yield from pieces()
            yield end

        headers = {
            "Content-Type": f"multipart/form-data; boundary={BOUNDARY}",
            "Content-Length": str(len(head) + size + len(end)),
        }
        answer: dict[str, Any] = json.loads(self._ask("POST", "/v1/files", body(), headers))
        return str(answer["id"])

    def download(self, file_id: str) -> None:
        """Download a content and throw it away."""
        connection = self._connect()
        connection.request("GET", f"/v1/files/{file_id}/content")
        response = connection.getresponse()
        buffer = bytearray(BLOCK)
        while response.readinto(buffer):
            pass
        connection.close()

    def remove(self, file_id: str) -> None:
        """Remove a file."""
        self._ask("DELETE", f"/v1/files/{file_id}")

    def ask_for_health(self) -> None:
        """Ask for the server's health."""
        self._ask("GET", "/v1/health")

    def _ask(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> bytes:
        connection = self._connect()
        connection.request(method, path, body=body, headers=headers or {})
        response = connection.getresponse()
        answer = response.read()
        connection.close()
        if response.status != http.client.OK:
            raise SystemExit(f"{method} {path} is answered with {response.status}: {answer.decode(errors='replace')}")
        return answer

    def _connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(LOOPBACK, self.port, blocksize=BLOCK)


@contextmanager
def _served(storage: str, module: list[str]) -> Iterator[Server]:
    """Serve empty storage with a module of this Python, its temporary files in memory."""
    port = free_port()
    with ExitStack() as stack:
        directory = stack.enter_context(scratch("files"))
        place: Place = LocalPlace(directory / "contents")
        if storage == "s3":
            place = S3Place(stack.enter_context(s3.serve()))
        config = directory / "run.yaml"
        config.write_text(yaml.safe_dump(_run_config(directory, place, module)))
        temporary = MEMORY_FILE_SYSTEM / directory.name
        temporary.mkdir()
        stack.callback(temporary.rmdir)
        environment = {
            "LLAMA_STACK_CONFIG": str(config),
            "LLAMA_STACK_LOGGING": "all=warning",
            "PYTHONPATH": str(ROOT),
            "TMPDIR": str(temporary),
        }
        program = stack.enter_context(
            running(
                [sys.executable, "-m", *module, "--port", str(port)],
                log=directory / "log",
                ready=lambda: answers(f"http://{LOOPBACK}:{port}/v1/health"),
                env=environment,
            )
        )
        yield Server(port, Usage(program.process.pid, temporary))


def _run_config(directory: Path, place: Place, module: list[str]) -> dict[str, Any]:
    provider = {
        "provider_id": "files",
        "provider_type": place.provider_type if module is OURS else place.upstream_type,
        "config": {
            **place.config,
            "metadata_store": {"backend": "sql_default", "table_name": "files_metadata"},
        },
    }
    return run_config(directory, {"files": [provider]}, server={"host": LOOPBACK})


def _measure(storage: str, module: list[str], megabytes: int) -> Figures:
    block = os.urandom(MEGABYTE)
    size = megabytes * MEGABYTE

    def large() -> Iterator[bytes]:
        return (block for _ in range(megabytes))

    def small() -> Iterator[bytes]:
        yield block[:SMALL_BYTES]

    with _served(storage, module) as server:
        server.remove(server.upload(large, size))  # What is allocated once is no growth.
        figures: Figures = {}
        made: list[str] = []

        def upload(_: int) -> None:
            made.append(server.upload(large, size))

        def download(number: int) -> None:
            server.download(made[number])

        def create_small(_: int) -> None:
            server.remove(server.upload(small, SMALL_BYTES))

        for name, work in (("up", upload), ("down", download)):
            seconds, waits, growth = _observed(server, work, count=1)
            figures[name, "MB/s"] = megabytes / seconds
            figures[f"{name}: memory and tmpfs", "MB"] = growth / MEGABYTE
            figures[f"{name}: p99 of /v1/health", "ms"] = 1000 * waits
        made.clear()
        for name, work in (("up", upload), ("down", download)):
            seconds, waits, _ = _observed(server, work, count=CLIENTS)
            figures[f"{CLIENTS} clients {name}", "MB/s"] = CLIENTS * megabytes / seconds
            figures[f"{CLIENTS} clients {name}: p99 of /v1/health", "ms"] = 1000 * waits
        seconds, waits, _ = _observed(server, create_small, count=SMALL_FILES)
        figures[f"{SMALL_BYTES // 1000} kB up and removed, {CLIENTS} clients", "1/s"] = SMALL_FILES / seconds
        return figures


def _observed(server: Server, work: Callable[[int], None], count: int) -> tuple[float, float, int]:
    """Do some work so often, by all clients, and ask for the health meanwhile.

    Returns the seconds it took, the seconds that 99 of 100 questions waited at most, and the growth in bytes.
    """
    done = threading.Event()
    waits: list[float] = []

    def ask() -> None:
        while not done.is_set():
            started = time.perf_counter()
            server.ask_for_health()
            waits.append(time.perf_counter() - started)
            server.usage.look_at_files()
            done.wait(PAUSE)

    before = server.usage.reset()
    asking = threading.Thread(target=ask)
    asking.start()
    started = time.perf_counter()
    with ThreadPoolExecutor(CLIENTS) as clients:
        list(clients.map(work, range(count)))
    seconds = time.perf_counter() - started
    done.set()
    asking.join()
    growth = server.usage.peak() - before + server.usage.files
    return seconds, statistics.quantiles(waits, n=100, method="inclusive")[98] if len(waits) > 1 else waits[0], growth
