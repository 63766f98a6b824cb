"""Size, time to build and time to start: this kit's image beside a conventional one, in the same run."""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from docker import DockerClient
from docker.errors import APIError

from benchmarks import conventional, ours, report, starting
from benchmarks.ours import Built, Clone
from benchmarks.report import Conditions, Figure, Target
from builder.errors import KitError
from tests.support import docker_engine
from tests.support.process import NotInstalled

STARTS = 5
"""Starts of each image; one more, not counted, brings its files into memory."""


def run(arguments: Sequence[str]) -> None:
    """Parse the arguments, measure, print."""
    parser = argparse.ArgumentParser(prog="benchmarks/image.py", description=__doc__)
    parser.add_argument("--rounds", type=int, default=1, metavar="N", help="cold builds of each (default: 1)")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    options = parser.parse_args(arguments)
    conditions = Conditions()
    try:
        with ExitStack() as stack:
            scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="benchmark-")))
            client = stack.enter_context(docker_engine.serve()).client
            stack.enter_context(_images_removed(client))
            figures = list(_figures(client, scratch, options.rounds))
            report.show("The image", figures, conditions, as_json=options.json)
    except KitError as error:
        raise SystemExit("\n".join(filter(None, (error.message, error.advice)))) from error
    except NotInstalled as error:
        raise SystemExit(str(error)) from error


def _figures(client: DockerClient, scratch: Path, rounds: int) -> Iterator[Figure]:
    context = scratch / "context"
    conventional.prepare(context)
    base = conventional.base(client, scratch)

    def build_conventional(*, cold: bool = False) -> float:
        return _seconds(lambda: conventional.build(client, context, base, cold=cold))

    our_builds, conventional_builds = [], []
    for number in range(rounds):
        _say(f"cold builds, round {number + 1} of {rounds}")
        clone = Clone(scratch / f"round-{number}")
        our_builds.append(clone.build())
        conventional_builds.append(build_conventional(cold=True))
    first = our_builds[-1]
    our_median = statistics.median(built.seconds for built in our_builds)
    conventional_median = statistics.median(conventional_builds)

    _say("sizes")
    compressed = conventional.compressed_size(client, scratch)
    yield Figure("compressed", "MB", _mb(first.compressed), _mb(compressed), Target(0.45, of_ratio=True))
    yield Figure("cold build", "s", our_median, conventional_median, Target(1, of_ratio=True))

    _say("starts")
    loading = _seconds(lambda: ours.load(client, first))
    yield Figure("loaded into the engine", "s", loading)
    yield Figure("unpacked", "MB", _unpacked(client, ours.TAG), _unpacked(client, conventional.TAG))
    our_starts, conventional_starts = _starts(client)
    yield Figure("start to healthy", "s", our_starts, conventional_starts, Target(0.35, of_ratio=True))

    _say("builds after the first")
    again = clone.build()
    yield Figure("build, nothing changed", "s", again.seconds, build_conventional(), Target(3))
    clone.edit_run_config()
    conventional.edit_run_config(context)
    edited = clone.build()
    yield Figure("build, run.yaml changed", "s", edited.seconds, build_conventional(), Target(6))
    yield Figure("its new layers", "kB", _new_bytes(again, edited) / 1e3, target=Target(100))


def _starts(client: DockerClient) -> tuple[float, float]:
    """The median seconds of ours and of the conventional image, started in turn."""
    pairs = [
        (starting.seconds_to_healthy(client, ours.TAG), starting.seconds_to_healthy(client, conventional.TAG))
        for _ in range(1 + STARTS)
    ]
    our_seconds, conventional_seconds = zip(*pairs[1:], strict=True)
    return statistics.median(our_seconds), statistics.median(conventional_seconds)


def _new_bytes(before: Built, after: Built) -> int:
    """Compressed bytes of the layers that were not there before."""
    return sum(size for name, size in after.layers.items() if name not in before.layers)


@contextmanager
def _images_removed(client: DockerClient) -> Iterator[None]:
    """Leave an engine of the user's as it was."""
    try:
        yield
    finally:
        for tag in (ours.TAG, conventional.TAG, conventional.OWN_BASE):
            with suppress(APIError):
                client.images.remove(tag, force=True)


def _seconds(do: Callable[[], object]) -> float:
    started = time.monotonic()
    do()
    return time.monotonic() - started


def _unpacked(client: DockerClient, tag: str) -> float:
    return _mb(int(client.images.get(tag).attrs["Size"]))


def _mb(size: int) -> float:
    return size / 1e6


def _say(what: str) -> None:
    print(f"-- {what}", file=sys.stderr, flush=True)
