"""Load by wrk on one path, and what it cost the server."""

import json
import statistics
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from benchmarks import usage
from benchmarks.peers import Server
from builder import command
from tests.support.process import installed, scratch

SCRIPT = Path(__file__).with_name("load.lua")
MICROSECONDS = 1e6


@dataclass(frozen=True)
class Request:
    """What is sent, again and again."""

    path: str
    body: bytes = b""
    content_type: str = "application/json"
    method: str = "POST"


def posted(path: str, body: object) -> Request:
    """A request with a JSON body."""
    return Request(path, json.dumps(body).encode())


@dataclass(frozen=True)
class Sample:
    """One run."""

    answers: int
    seconds: float
    median: float
    """Microseconds, as is the next."""
    p99: float
    bad_statuses: int
    timeouts: int
    """Requests that took longer than two seconds."""
    sockets: int
    """Connections that failed."""
    cpu: float
    """Microseconds of the server for a request."""
    lines: float
    """Lines that the server wrote for a request."""

    @property
    def rate(self) -> float:
        """Good answers in a second."""
        return (self.answers - self.bad_statuses) / self.seconds

    @property
    def failures(self) -> int:
        """Everything that was not answered with success in time."""
        return self.bad_statuses + self.timeouts + self.sockets


def check_wrk() -> None:
    """Raise NotInstalled, which says what to do, where there is no wrk."""
    installed("wrk", "apt-get install wrk")


def run(server: Server, request: Request, *, connections: int, seconds: int) -> Sample:
    """Send a request over some connections for some seconds; the server is idle before and after."""
    usage.wait_until_idle(server.process)
    cpu, lines = usage.cpu_seconds(server.process), _lines(server.log)
    with scratch("load") as directory:
        body = directory / "body"
        body.write_bytes(request.body)
        words: list[str | Path] = [installed("wrk", "apt-get install wrk"), "-t1", f"-c{connections}", f"-d{seconds}s"]
        words += ["-s", SCRIPT, server.url + request.path, "--", request.method]
        words += [request.content_type if request.body else "", body if request.body else ""]
        words.append(server.headers.get("Authorization", ""))
        said = command.run(words, failure=f"wrk failed for {request.path} of {server.name}")
    usage.wait_until_idle(server.process)
    facts = json.loads(said.splitlines()[-1])
    # A request on each connection is cut off at the end, and the server has done its work for nothing.
    requests = max(facts["answers"], 1) + connections
    return Sample(
        facts["answers"],
        facts["microseconds"] / MICROSECONDS,
        facts["median"],
        facts["p99"],
        facts["bad_statuses"],
        facts["timeouts"],
        facts["sockets"],
        (usage.cpu_seconds(server.process) - cpu) * MICROSECONDS / requests,
        (_lines(server.log) - lines) / requests,
    )


def alternating[T](servers: Sequence[Server], repetitions: int, measure: Callable[[Server], T]) -> dict[str, list[T]]:
    """What is measured of each server, by name; they take turns, so that a neighbour's load meets all of them."""
    taken: dict[str, list[T]] = {server.name: [] for server in servers}
    for _ in range(repetitions):
        for server in servers:
            taken[server.name].append(measure(server))
    return taken


def median_of[T](samples: Sequence[T], quantity: Callable[[T], float]) -> float:
    """The median of a quantity."""
    return statistics.median(map(quantity, samples))


def _lines(log: Path) -> int:
    with suppress(FileNotFoundError), log.open("rb") as stream:
        return sum(piece.count(b"\n") for piece in iter(lambda: stream.read(1 << 20), b""))
    return 0
