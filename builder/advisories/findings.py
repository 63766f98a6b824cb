"""From what advisories claim to findings: one a package and flaw, however many advisories name it."""

import datetime
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from builder.advisories.accepted import Accepted
from builder.advisories.claim import SEVERITIES, Claim, ordering
from builder.advisories.locked import Package


@dataclass(frozen=True)
class Finding:
    """One flaw of one locked package."""

    package: Package
    id: str
    aliases: tuple[str, ...]
    """The other names that advisories have for it."""
    summary: str
    severity: str
    vector: str
    mended_in: str | None
    accepted: Accepted | None = None

    @property
    def names(self) -> frozenset[str]:
        """All names of the flaw."""
        return frozenset({self.id, *self.aliases})


def merge(claims: Iterable[Claim]) -> list[Finding]:
    """One finding for all claims on a package that share a name, the worst first within a package.

    An advisory that sums up several flaws is left out if each of them is a finding by itself.
    """
    by_package: dict[Package, list[Claim]] = defaultdict(list)
    for claim in claims:
        by_package[claim.package].append(claim)
    found = []
    for package in sorted(by_package):
        groups = _groups(by_package[package])
        known = frozenset().union(*(claim.names for claim in by_package[package]))
        kept = [group for group in groups if not all(claim.bundles and claim.bundles <= known for claim in group)]
        found += sorted((_finding(package, group) for group in kept), key=_rank)
    return found


def _groups(claims: Iterable[Claim]) -> list[list[Claim]]:
    """Claims that share a name, directly or by way of others."""
    groups: list[tuple[set[str], list[Claim]]] = []
    for claim in claims:
        names, members = set(claim.names), [claim]
        for group in [group for group in groups if group[0] & claim.names]:
            groups.remove(group)
            names |= group[0]
            members = [*group[1], *members]
        groups.append((names, members))
    return [members for _, members in groups]


def _finding(package: Package, group: Sequence[Claim]) -> Finding:
    names = sorted(frozenset().union(*(claim.names for claim in group)), key=_familiarity)
    parse = ordering(package.ecosystem)
    mending = sorted((claim.mended_in for claim in group if claim.mended_in), key=parse)
    return Finding(
        package=package,
        id=names[0],
        aliases=tuple(names[1:]),
        summary=next((claim.summary for claim in group if claim.summary), ""),
        severity=min((claim.severity for claim in group if claim.severity), key=SEVERITIES.index, default=""),
        vector=next((claim.vector for claim in group if claim.vector), ""),
        mended_in=mending[-1] if mending else None,  # which satisfies every advisory that names one
    )


def _familiarity(name: str) -> tuple[int, str]:
    """CVE before GHSA before what single databases call it."""
    kinds = ("CVE-", "GHSA-")
    return next((at for at, kind in enumerate(kinds) if name.startswith(kind)), len(kinds)), name


def _rank(finding: Finding) -> tuple[int, str]:
    severities = [*SEVERITIES, ""]
    return severities.index(finding.severity), finding.id


def accept(
    findings: Iterable[Finding], entries: Sequence[Accepted], today: datetime.date
) -> tuple[list[Finding], list[str]]:
    """The findings, those that are accepted with the entry that says so; and what is wrong with entries."""
    looked_at, used = [], set()
    for finding in findings:
        matching = [entry for entry in entries if entry.name in finding.names]
        used.update(matching)
        looked_at.append(replace(finding, accepted=next((e for e in matching if e.holds(today)), None)))
    remarks = [
        f"line {entry.line}: {entry.name} was accepted until {entry.until}: look at it again"
        if entry in used
        else f"line {entry.line}: {entry.name} is no finding of the advisories that were compared: take it out"
        for entry in entries
        if entry not in used or not entry.holds(today)
    ]
    return looked_at, remarks
