"""`build.py lock`: look up versions anew, write the locks, say what moved."""

from dataclasses import dataclass

from builder import arguments
from builder.arguments import Parser
from builder.commands import Command, register
from builder.errors import UsageError


@dataclass(frozen=True, kw_only=True)
class Options:
    """Which versions may move."""

    upgrade: bool
    newest: bool
    """Whether an upgrade takes releases of the last days, too."""
    debian_mirror: str | None


def add_arguments(parser: Parser) -> None:
    """Add what the command takes."""
    parser.add_argument("--upgrade", action="store_true", help="move every package to the newest release that fits")
    parser.add_argument("--newest", action="store_true", help="with --upgrade: also releases of the last 7 days")
    arguments.add_debian_mirror(parser)


def run(options: Options) -> int:
    """Write every lock."""
    from builder import new_locks, release_age

    if options.newest and not options.upgrade:
        raise UsageError("--newest says how far --upgrade goes", "write both, or leave --newest out")
    upgrade = release_age.Upgrade(newest=options.newest) if options.upgrade else None
    new_locks.write(upgrade=upgrade, debian_mirror=options.debian_mirror)
    return 0


register(
    Command(
        name="lock",
        summary="look up package versions anew, and say what moved",
        description="Write the locks in requirements/ anew and say what moved. Needed after a change to "
        "distribution/build.yaml or\nrequirements/*.in. Packages stay at their versions unless they must move; "
        "Debian packages always move.",
        add_arguments=add_arguments,
        epilog="""\
how new a release may be:
  --upgrade takes no release of the last 7 days: most that somebody smuggled in are found and withdrawn sooner.
  UV_EXCLUDE_NEWER (14 days, 2026-11-01) or exclude-newer in uv.toml says otherwise, and --newest takes all.
  A younger one that is locked goes back to an older one. An index has to say when a release was uploaded
  (PEP 700): what it does not date is left out, and where nothing is left that fits, the command says so and
  changes nothing. Folders of wheels and Debian packages are taken at any age.
  For one fix of yesterday: its bound with the reason into requirements/image.in, and `build.py lock`.
""",
        options=Options,
        run=run,
    )
)
