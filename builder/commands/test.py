"""`build.py test`: run the tests in the kit's environment."""

import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from builder import paths
from builder.arguments import Parser
from builder.commands import Command, register
from builder.ending import Ended, held


@dataclass(frozen=True, kw_only=True)
class Options:
    """What pytest is told."""

    words: Sequence[str]


def add_arguments(parser: Parser) -> None:
    """All words are pytest's."""
    parser.pass_on_all("words", "[PYTEST_ARGUMENT ...]")


def run(options: Options) -> int:
    """Run pytest from the clone's root; returns pytest's exit code. Told to end, it lets pytest stop its servers."""
    process: subprocess.Popen[bytes] | None = None
    try:
        with held():  # a signal must not come between pytest and who tells it to end
            process = subprocess.Popen([sys.executable, "-m", "pytest", *options.words], cwd=paths.ROOT)
        return process.wait()
    except Ended:
        if process:
            process.send_signal(signal.SIGINT)  # pytest knows no other signal
        raise
    finally:
        if process:
            process.wait()  # Ctrl-C reaches pytest by itself


register(
    Command(
        name="test",
        summary="run the kit's tests; what follows is pytest's",
        description="Run the kit's tests in the kit's environment. Everything after `test` is passed on to pytest.",
        epilog="""\
examples:
  python build.py test                     all tests
  python build.py test tests/unit          no build, no network
  python build.py test -k tags --maxfail 1
""",
        add_arguments=add_arguments,
        options=Options,
        run=run,
    )
)
