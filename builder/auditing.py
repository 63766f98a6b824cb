"""Compare what is locked with advisories, and say what is affected."""

import datetime
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING

from builder import paths, progress, staging, variant
from builder.advisories import accepted, findings, locked, report, sources
from builder.advisories.claim import Packages
from builder.advisories.locked import Package
from builder.advisories.report import Audit

if TYPE_CHECKING:
    from builder.commands.audit import Options

AFFECTED = 1
"""The exit code where something is affected."""


def audit(options: "Options", places: Sequence[str]) -> int:
    """Print what is affected; returns 0 if nothing is but what is accepted, else AFFECTED.

    Raises AdvisoryError or UnreachableError for advisories that cannot be used, UserFileError for what is wrong in
    the list of what is accepted.
    """
    entries = accepted.load(paths.ACCEPTED_ADVISORIES)
    with staging.one_at_a_time() if options.added or options.removed else nullcontext():
        lock = variant.choose(options.added, options.removed).lock
    packages = [*locked.wheels(lock, options.platforms), *locked.debian(options.platforms)]
    read = sources.read(places, _by_name(packages))
    found = findings.merge(claim for source in read for claim in source.claims)
    looked_at, remarks = findings.accept(found, entries, datetime.datetime.now(datetime.UTC).date())
    for remark in remarks:
        progress.warn(f"{paths.shown(paths.ACCEPTED_ADVISORIES)}, {remark}")
    result = Audit(packages, read, looked_at)
    for ecosystem in result.not_compared:
        progress.warn(f"no place has advisories of {ecosystem}: {result.count(ecosystem)} packages were not compared")
    if options.json:
        progress.out.print_json(report.as_json(result))
    elif options.sarif:
        progress.out.print_json(report.as_sarif(result))
    else:
        for line in report.as_text(result):
            progress.out.print(line)
    return 0 if result.passes else AFFECTED


def _by_name(packages: Iterable[Package]) -> Packages:
    found: dict[tuple[str, str], list[Package]] = {}
    for package in packages:
        found.setdefault((package.ecosystem, package.name), []).append(package)
    return found
