"""What verification adds to a start, and how long `verify` takes beside a start of stock llama-stack."""

import argparse
import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks import stock
from benchmarks.report import Conditions, Figure, Target, show
from builder import payload, sandbox, staging
from builder.errors import KitError
from builder.stage import Stage
from tests.support.process import LOOPBACK, Program, answers, free_port, scratch

STARTS = 7
"""Runs of each; one more, not counted, brings its files into memory."""

# The same server with its gate taken out.
UNVERIFIED = """
import contextlib, sys
from distribution.launch import command_line, gate
gate.Gate.verify = gate.Gate.succeed = lambda *_: None
gate.Gate.starting = lambda _: contextlib.nullcontext()
sys.exit(command_line.main(sys.argv[1:]))
"""
# llama-stack as it is, in the same tree: this distribution's import hooks are taken out before they act.
STOCK = """
import os, sys
sys.meta_path = [finder for finder in sys.meta_path if type(finder).__module__ != "distribution.hooks"]
import uvicorn
os.environ["LLAMA_STACK_CONFIG"] = sys.argv[1]
uvicorn.run("llama_stack.core.server.server:create_app", factory=True, host="127.0.0.1", port=int(sys.argv[3]))
"""
OURS, THEIRS = "/opt/llama-stack/run.yaml", "/mnt/run.yaml"


def run(arguments: Sequence[str]) -> None:
    """Measure and print the figures."""
    parser = argparse.ArgumentParser(prog="benchmarks/verification.py", description=__doc__)
    parser.add_argument("--rounds", type=int, default=STARTS, metavar="N", help=f"runs of each (default: {STARTS})")
    parser.add_argument("--json", action="store_true", help="as JSON")
    options = parser.parse_args(arguments)
    if why := sandbox.why_unavailable():
        raise SystemExit(f"the image's tree cannot be run: {why}")
    conditions = Conditions()
    try:
        with staging.one_at_a_time(), scratch("verification") as directory:
            (directory / "run.yaml").write_text(stock.run_config(), encoding="utf-8")
            tree = staging.whole_tree()
            verified, unverified, stock_start, verify = _medians(
                [
                    lambda: _start(tree, directory, [*payload.ENTRYPOINT, OURS]),
                    lambda: _start(tree, directory, ["python", "-c", UNVERIFIED, OURS]),
                    lambda: _start(tree, directory, ["python", "-c", STOCK, THEIRS]),
                    lambda: _run(tree, directory, [*payload.ENTRYPOINT, "verify", OURS]),
                ],
                options.rounds,
            )
    except KitError as error:
        raise SystemExit("\n".join(filter(None, (error.message, error.advice)))) from error
    figures = [
        Figure("start, verified", "s", verified, unverified, Target(1.1, of_ratio=True)),
        Figure("`verify`", "s", verify, stock_start, Target(1.2, of_ratio=True)),
    ]
    show("Verification of the default run.yaml", figures, conditions, as_json=options.json)


def _medians(measures: Sequence[Callable[[], float]], rounds: int) -> list[float]:
    """The median of each, measured in turn."""
    taken = [[measure() for measure in measures] for _ in range(1 + rounds)]
    return [statistics.median(one) for one in zip(*taken[1:], strict=True)]


def _start(tree: Stage, work: Path, program: Sequence[str]) -> float:
    """Seconds until a new server, without any state, answers `/v1/health`."""
    port = free_port()
    with scratch("data") as data:
        command = _command(tree, work, [*program, "--port", str(port)], data)
        log = data / "log"
        with log.open("wb") as output:
            started = time.monotonic()
            process = subprocess.Popen(command, stdout=output, stderr=output, stdin=subprocess.DEVNULL)
            try:
                server = Program(command, process, log)
                server.wait_until(lambda: answers(f"http://{LOOPBACK}:{port}/v1/health"), timeout=120, pause=0.01)
                return time.monotonic() - started
            finally:
                sandbox.stop(process)


def _run(tree: Stage, work: Path, program: Sequence[str]) -> float:
    with scratch("data") as data:
        started = time.monotonic()
        subprocess.run(_command(tree, work, program, data), stdout=subprocess.DEVNULL, check=True)
        return time.monotonic() - started


def _command(tree: Stage, work: Path, program: Sequence[str], data: Path) -> list[str]:
    return sandbox.command(tree.root, program, environment=payload.ENVIRONMENT, data=data, work=work)
