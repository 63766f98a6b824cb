"""Half an hour of mixed load on our server: what it holds more than before, what it lost, what its log says."""

import argparse
import asyncio
import dataclasses
import json
import os
import re
import signal
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from benchmarks import peers, state, usage
from benchmarks.peers import Peer, Server
from benchmarks.report import Conditions, Figure, Target, show
from benchmarks.soak_load import CLIENTS, Load, Outcome
from builder.errors import KitError

ROUND = 20
"""Seconds of load between two looks at an idle server."""
PATIENCE = 10
"""Seconds in which the server says how many tasks it has."""
MEMORY = 3.0
"""Percent that it may grow by over the second half."""
WARM = 20
"""Rounds before which growth says nothing: caches and pools are filling."""
SLACK = {"descriptors": 2 * CLIENTS, "sockets": 2 * CLIENTS, "threads": 4}
"""What may be more than ever in the first half: each client may use one more connection to each of two providers."""
MORE_TASKS = 4
BAD_LINES = re.compile(
    rb"Traceback \(most recent|Task was destroyed|never retrieved|never awaited|database is locked|Unclosed "
)
TASKS = "tasks"

# The server, which on a signal writes how many asyncio tasks it has.
COUNTING = f"""
import asyncio, os, pathlib, signal, sys
from distribution.launch import command_line
place = pathlib.Path(os.environ["SQLITE_STORE_DIR"], "{TASKS}")
def count(*_):
    draft = place.with_suffix(".part")
    draft.write_text(str(len(asyncio.all_tasks())))
    draft.replace(place)
signal.signal(signal.SIGUSR2, count)
sys.exit(command_line.main(sys.argv[1:]))
"""


@dataclass(frozen=True)
class Look:
    """What an idle server holds."""

    held: usage.Held
    tasks: int


def run(arguments: Sequence[str]) -> None:
    """Parse the arguments, load, print; exit with 1 where a bound is broken."""
    parser = argparse.ArgumentParser(prog="benchmarks/soak.py", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30, metavar="N", help="how long (default: 30)")
    parser.add_argument("--json", action="store_true", help="as JSON")
    options = parser.parse_args(arguments)
    conditions = Conditions()
    try:
        with peers.staged_ours() as ours:
            figures, outcome = soak(ours, rounds=max(4, round(60 * options.minutes / ROUND)), seconds=ROUND)
    except KitError as error:
        raise SystemExit("\n".join(filter(None, (error.message, error.advice)))) from error
    show(f"{options.minutes:g} minutes of mixed load", figures, conditions, as_json=options.json)
    for mistake in outcome.mistakes:
        print(f"  {mistake}", file=sys.stderr)
    if any(figure.met is False for figure in figures):
        raise SystemExit("the server does not stay what it was, or not every answer was right")


def soak(peer: Peer, *, rounds: int, seconds: float) -> tuple[list[Figure], Outcome]:
    """Load our server in rounds and look at it after each; the figures have bounds."""
    outcome = Outcome()
    with peers.serve_backend() as model_server, _counting(peer, model_server) as server:
        load = Load(server, outcome)
        looks = []
        for number in range(rounds):
            asyncio.run(load.run(seconds))
            looks.append(_look(server))
            memory = looks[-1].held.memory / 1e6
            print(f"-- round {number + 1} of {rounds}: {memory:.0f} MB", file=sys.stderr, flush=True)
        kept = state.stored_ids(server.data)
        counts = _counts(model_server)
        bad_lines = len(BAD_LINES.findall(server.log.read_bytes()))
    return [*_growth(looks), *_accounts(outcome, kept, counts, bad_lines)], outcome


def _growth(looks: list[Look]) -> Iterator[Figure]:
    half = len(looks) // 2
    first, second = looks[:half], looks[half:]
    grown = 100 * (second[-1].held.memory / first[-1].held.memory - 1)
    yield Figure("memory at the end", "MB", second[-1].held.memory / 1e6)
    yield Figure(
        "memory: growth over the second half", "%", grown, target=Target(MEMORY) if len(looks) >= WARM else None
    )
    for name, slack in SLACK.items():
        most = max(getattr(look.held, name) for look in first)
        yield Figure(name, "", getattr(looks[-1].held, name), target=Target(most + slack))
    yield Figure("tasks", "", looks[-1].tasks, target=Target(max(look.tasks for look in first) + MORE_TASKS))


def _accounts(outcome: Outcome, kept: set[str], counts: dict[str, int], bad_lines: int) -> Iterator[Figure]:
    none = Target(0)
    yield Figure("requests", "", outcome.done.total())
    yield Figure("wrong answers", "", outcome.wrong.total(), target=none)
    yield Figure("completions acknowledged", "", len(outcome.acknowledged))
    yield Figure("of these lost", "", len(outcome.acknowledged - outcome.removed - kept), target=none)
    yield Figure("removed, and still there", "", len(outcome.removed & kept), target=none)
    yield Figure("streams left by clients that go on", "", counts["streams"], target=none)
    yield Figure("tracebacks and warnings of asyncio in the log", "", bad_lines, target=none)


@contextmanager
def _counting(peer: Peer, model_server: Server) -> Iterator[Server]:
    """Our server, able to count its tasks."""
    python = peer.words[0]
    counting = dataclasses.replace(peer, words=[python, "-c", COUNTING])
    settings = {"SQLITE_STORE_DIR": str(peer.state)} if peer.state else {}
    with peers.serve(counting, model_server, settings) as server:
        yield server


def _look(server: Server) -> Look:
    usage.wait_until_idle(server.process)
    return Look(usage.held(server.process), _tasks(server))


def _tasks(server: Server) -> int:
    """How many tasks the server has; raises SystemExit if it does not say."""
    place = server.data / TASKS
    place.unlink(missing_ok=True)
    os.kill(usage.program(server.process), signal.SIGUSR2)
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        with suppress(FileNotFoundError):
            return int(place.read_text())
        time.sleep(0.02)
    raise SystemExit(f"the server does not count its tasks; its log ends:\n{_end(server.log)}")


def _end(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-20:])


def _counts(model_server: Server) -> dict[str, int]:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"{model_server.url}/counts", timeout=10) as response:
        found: dict[str, int] = json.load(response)
    return {"streams": 0} | found
