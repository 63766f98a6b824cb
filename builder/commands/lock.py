"""`build.py lock`: look up versions anew, write the locks, say what moved."""

from dataclasses import dataclass

from builder import arguments
from builder.arguments import Parser
from builder.commands import Command, register


@dataclass(frozen=True, kw_only=True)
class Options:
    """Which versions may move."""

    upgrade: bool
    debian_mirror: str | None


def add_arguments(parser: Parser) -> None:
    """Add what the command takes."""
    parser.add_argument("--upgrade", action="store_true", help="move every package to the newest version that fits")
    arguments.add_debian_mirror(parser)


def run(options: Options) -> int:
    """Write every lock."""
    from builder import new_locks

    new_locks.write(upgrade=options.upgrade, debian_mirror=options.debian_mirror)
    return 0


register(
    Command(
        name="lock",
        summary="look up package versions anew, and say what moved",
        description="Write the locks in requirements/ anew and say what moved. Needed after a change to "
        "distribution/build.yaml or\nrequirements/*.in. Packages stay at their versions unless they must move; "
        "Debian packages always move.",
        add_arguments=add_arguments,
        options=Options,
        run=run,
    )
)
