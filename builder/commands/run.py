"""`build.py run --tag ...`: serve an image that was built here, with an engine or without one."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from builder import arguments
from builder.arguments import Parser
from builder.commands import Command, register
from builder.tags import Tag


@dataclass(frozen=True, kw_only=True)
class Options:
    """What to serve, and where."""

    tag: Tag
    port: int
    data: Path | None
    environment: Mapping[str, str]
    """What the run config's `${env...}` expressions see."""


def add_arguments(parser: Parser) -> None:
    """Add what the command takes."""
    arguments.add_tag(parser, "the tag it was built with")
    parser.add_argument("--port", type=int, default=8321, help="on 127.0.0.1 (default: 8321)")
    parser.add_argument("--data", type=Path, metavar="DIR", help="keep state here (default: build/data/NAME-TAG)")
    arguments.add_environment(parser, "for the ${env.NAME} of run.yaml")


def run(options: Options) -> int:
    """Serve until interrupted."""
    from builder import serving

    serving.serve(options)
    return 0


register(
    Command(
        name="run",
        summary="serve an image built here, with an engine or without one",
        description="Serve an image built here on 127.0.0.1, with an engine or without one, until Ctrl-C.",
        add_arguments=add_arguments,
        options=Options,
        run=run,
    )
)
