"""`build.py audit`: which published advisories are about what is locked?"""

import os
from collections.abc import Sequence
from dataclasses import dataclass

from builder import arguments, platforms
from builder.arguments import Parser
from builder.commands import Command, register
from builder.errors import UsageError
from builder.platforms import Platform

VARIABLE = "LLAMA_STACK_ADVISORIES"
"""Names the places of advisories where the command line names none, with blanks between them."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """What is compared with which advisories."""

    advisories: Sequence[str]
    platforms: tuple[Platform, ...]
    added: Sequence[str]
    removed: Sequence[str]
    json: bool
    sarif: bool


def add_arguments(parser: Parser) -> None:
    """Add what the command takes."""
    parser.add_argument(
        "--advisories",
        action="append",
        default=[],
        metavar="PLACE",
        help=f"a file, folder or address; repeatable (default: {VARIABLE}, with blanks between them)",
    )
    arguments.add_platforms(parser, ",".join(platform.name for platform in platforms.ALL))
    arguments.add_providers(parser)
    output = parser.add_mutually_exclusive_group()
    output.add_argument("--json", action="store_true", help="print the result as JSON")
    output.add_argument("--sarif", action="store_true", help="print SARIF 2.1.0, for code hosts")


def run(options: Options) -> int:
    """Print what is affected; the exit code is 0 if nothing is, else 1."""
    from builder import auditing

    places = options.advisories or os.environ.get(VARIABLE, "").split()
    if not places:
        raise UsageError(
            "build.py audit: no advisories are named, and none are built in",
            f"give --advisories PLACE or {VARIABLE}; python build.py audit --help says what may be there",
        )
    return auditing.audit(options, places)


register(
    Command(
        name="audit",
        summary="which published advisories are about what is locked?",
        description="Compare the wheels and Debian packages that the locks put into the image with advisories, and "
        "print what\nis affected and which version mends it. Nothing is built.",
        epilog=f"""\
where advisories come from:
  None are built in. A PLACE is a file, a folder or an http(s) address, reached as the package index is, of
    an export of OSV's: a zip or a folder of its JSON files, or one of them (PyPI's, Debian's, or both)
    the data of Debian's security tracker: one JSON file
  A place that has nothing on Python packages or Debian 13 is an error: it would never find anything.

what is said:
  Several advisories on one flaw are one finding. Withdrawn ones count for nothing, nor does what Debian calls
  unimportant or has not looked at yet; the last lines say how many those are, and what was compared with what.
  A finding that is known to do no harm goes into requirements/accepted-advisories.yaml, with the reason and
  the day until which that holds. Another base than Debian's (--base-image) is for the scanner of that base.

examples:
  python build.py audit --advisories pypi.zip --advisories debian-tracker.json
  {VARIABLE}="https://mirror.internal/osv/PyPI.zip /data/debian.json" python build.py audit --sarif > audit.sarif

exit codes: 0 nothing is affected but what is accepted, 1 something is, 2 usage, 65 advisories (or the list of
accepted ones) are not what they should be, 69 an address does not answer
""",
        add_arguments=add_arguments,
        options=Options,
        run=run,
    )
)
