"""`build.py push --tag ...`: send an image that was built here to a registry, without an engine."""

from dataclasses import dataclass
from pathlib import Path

from builder import arguments
from builder.arguments import Parser
from builder.commands import Command, register
from builder.tags import Tag


@dataclass(frozen=True, kw_only=True)
class Options:
    """What to push, and where."""

    tag: Tag
    archive: Path | None
    plain_http: bool
    verified: bool
    """Whether an image that was never verified is refused."""
    json: bool


def add_arguments(parser: Parser) -> None:
    """Add what the command takes."""
    arguments.add_tag(parser, "where to push it", "HOST/NAME[:TAG]")
    parser.add_argument(
        "--archive", type=Path, metavar="PATH", help="what to push (default: what was built with this tag)"
    )
    arguments.add_plain_http(parser)
    parser.add_argument(
        "--no-verify", action="store_false", dest="verified", help="also an image that was never verified"
    )
    arguments.add_json(parser)


def run(options: Options) -> int:
    """Push, and say what was pushed."""
    from builder import pushing

    pushing.run(options)
    return 0


register(
    Command(
        name="push",
        summary="send an image built here to a registry, without an engine",
        description="Push an image that was built here to the registry its tag names, without an engine. Credentials "
        "are those of\ndocker login and podman login, or REGISTRY_USERNAME and REGISTRY_PASSWORD.",
        add_arguments=add_arguments,
        options=Options,
        run=run,
    )
)
