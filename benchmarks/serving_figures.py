"""What each kind of request costs: ours, stock llama-stack, and the bare model server that both ask."""

import argparse
import dataclasses
import sys
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

from benchmarks import load, peers, plot, report
from benchmarks.peers import Peer
from benchmarks.report import Conditions, Figure
from benchmarks.serving_bench import Bench, Effort
from benchmarks.serving_rows import ROWS
from benchmarks.usage import OtherPrograms
from builder import paths
from builder.errors import KitError
from tests.support.process import NotInstalled

FULL = Effort(seconds=4, repetitions=5, streams=40, stored=5000, requests=200_000, most_seconds=240, starts=5)
QUICK = Effort(seconds=1, repetitions=1, streams=8, stored=100, requests=1000, most_seconds=3, starts=0)
QUICK_ROWS = ("chat", "streams", "embeddings", "completions", "search", "prompt", "responses", "stored", "image")
"""Those that need no servers of their own, and no patience."""
PLOT = paths.BUILD / "benchmarks" / "serving.svg"
TITLE = "Serving: ours, stock llama-stack, and the model server without either"


def run(arguments: Sequence[str]) -> None:
    """Parse the arguments, measure, print, and draw."""
    parser = argparse.ArgumentParser(prog="benchmarks/serving.py", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="whether it runs: a minute, figures that say little")
    parser.add_argument("--only", action="append", choices=ROWS, metavar="ROW", help=f"of {', '.join(ROWS)}")
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.add_argument("--markdown", action="store_true", help="as the table of a document")
    parser.add_argument("--plot", type=Path, default=PLOT, metavar="PATH", help=f"where to draw ({paths.shown(PLOT)})")
    options = parser.parse_args(arguments)
    conditions = Conditions()
    try:
        # Quickly: nothing is staged or installed.
        servers = peers.here() if options.quick else peers.staged()
        rows = options.only or (QUICK_ROWS if options.quick else ROWS)
        figures = measure(servers, rows, QUICK if options.quick else FULL)
    except KitError as error:
        raise SystemExit("\n".join(filter(None, (error.message, error.advice)))) from error
    except NotInstalled as error:
        raise SystemExit(str(error)) from error
    if options.markdown:
        print(report.markdown(figures))
    else:
        report.show(TITLE, figures, conditions, as_json=options.json)
    paths.write_whole(options.plot, plot.bars(TITLE, figures))


def measure(servers: AbstractContextManager[tuple[Peer, Peer]], rows: Iterable[str], effort: Effort) -> list[Figure]:
    """The figures of some rows; raises NotInstalled without wrk."""
    load.check_wrk()
    figures: list[Figure] = []
    with ExitStack() as stack:
        ours, stock = stack.enter_context(servers)
        bench = Bench(ours, stock, stack.enter_context(peers.serve_backend()), effort, stack)
        for name in rows:
            print(f"-- {name}", file=sys.stderr, flush=True)
            beside = OtherPrograms()
            taken = ROWS[name](bench)
            figures += [dataclasses.replace(figure, others=beside.share) for figure in taken]
    return figures
