"""What an audit found: for people, as JSON, and as SARIF for code hosts."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from builder import paths
from builder.advisories.findings import Finding
from builder.advisories.locked import DEBIAN, PYPI, Package
from builder.advisories.sources import Source
from formats import sarif

_LEVELS: dict[str, sarif.Level] = {"critical": "error", "high": "error", "medium": "warning", "low": "note"}
_SUMMARY = 160
"""Characters of a summary that are printed."""

_ADVICE = {
    PYPI: "a wheel: its bound with the reason into requirements/image.in, then python build.py lock",
    DEBIAN: "a Debian package: python build.py lock, once Debian has the version",
}
_ACCEPT = "what does no harm here: requirements/accepted-advisories.yaml"


@dataclass(frozen=True)
class Audit:
    """What was compared, and what came of it."""

    packages: Sequence[Package]
    sources: Sequence[Source]
    findings: Sequence[Finding]

    @property
    def affecting(self) -> list[Finding]:
        """The findings that nobody has accepted."""
        return [finding for finding in self.findings if not finding.accepted]

    @property
    def passes(self) -> bool:
        """Whether nothing is affected but what is accepted."""
        return not self.affecting

    def count(self, ecosystem: str) -> int:
        """How many packages of an ecosystem are locked."""
        return sum(package.ecosystem == ecosystem for package in self.packages)

    def advisories(self, ecosystem: str) -> int:
        """How many advisories of an ecosystem there are."""
        return sum(source.advisories[ecosystem] for source in self.sources)

    @property
    def not_compared(self) -> list[str]:
        """The ecosystems of which no source has advisories."""
        return [ecosystem for ecosystem in (PYPI, DEBIAN) if not self.advisories(ecosystem)]


def as_text(audit: Audit) -> Iterator[str]:
    """What is affected, a package after the other; then what was compared."""
    for package, findings in groupby(audit.affecting, key=lambda finding: finding.package):
        yield f"{package}  {paths.shown(package.file)}:{package.line}"
        for finding in findings:
            also = f" ({', '.join(finding.aliases)})" if finding.aliases else ""
            rated = finding.severity or finding.vector or "severity not said"
            yield f"  {finding.id}{also}  {rated}, {_mended(finding)}"
            if finding.summary:
                yield f"    {_cut(finding.summary)}"
    for source in audit.sources:
        counts = " and ".join(f"{count} of {ecosystem}" for ecosystem, count in sorted(source.advisories.items()))
        dated = f", dated {source.newest}" if source.newest else ""
        aside = "".join(f"; {count} {word} in Debian's words" for word, count in sorted(source.set_aside.items()))
        yield f"{source.place}: {counts}{dated}{aside}"
    accepted = len(audit.findings) - len(audit.affecting)
    compared = " and ".join(
        f"{audit.count(ecosystem)} packages of {ecosystem} with {audit.advisories(ecosystem)}"
        for ecosystem in (PYPI, DEBIAN)
        if ecosystem not in audit.not_compared
    )
    yield f"findings: {len(audit.affecting)}, accepted: {accepted}; compared: {compared}"
    concerned = {finding.package.ecosystem for finding in audit.affecting}
    for advice in [*(_ADVICE[ecosystem] for ecosystem in sorted(concerned)), *([_ACCEPT] if concerned else [])]:
        yield f"  -> {advice}"


def _mended(finding: Finding) -> str:
    return f"mended in {finding.mended_in}" if finding.mended_in else "no version mends it"


def _cut(text: str) -> str:
    return text if len(text) <= _SUMMARY else text[: _SUMMARY - 4].rstrip() + " ..."


def as_json(audit: Audit) -> str:
    """The same for programs, accepted findings included."""
    return json.dumps(
        {
            "passes": audit.passes,
            "compared": [
                {"ecosystem": name, "packages": audit.count(name), "advisories": audit.advisories(name)}
                for name in (PYPI, DEBIAN)
            ],
            "sources": [
                {
                    "place": source.place,
                    "advisories": dict(source.advisories),
                    "newest": source.newest or None,
                    "set_aside": dict(source.set_aside),
                }
                for source in audit.sources
            ],
            "findings": [_described(finding) for finding in audit.findings],
        }
    )


def _described(finding: Finding) -> dict[str, Any]:
    package, entry = finding.package, finding.accepted
    return {
        "ecosystem": package.ecosystem,
        "package": package.name,
        "version": package.version,
        "parts": list(package.parts),
        "file": paths.shown(package.file),
        "line": package.line,
        "id": finding.id,
        "aliases": list(finding.aliases),
        "summary": finding.summary,
        "severity": finding.severity or None,
        "cvss": finding.vector or None,
        "mended_in": finding.mended_in,
        "accepted": {"reason": entry.reason, "until": entry.until.isoformat()} if entry else None,
    }


def as_sarif(audit: Audit) -> str:
    """A SARIF 2.1.0 log; what is accepted is in it as suppressed."""
    results = [
        sarif.Result(
            rule=finding.id,
            level=_LEVELS.get(finding.severity, "warning"),
            message=f"{finding.package}: {finding.summary or finding.id} ({_mended(finding)})",
            file=paths.shown(finding.package.file),
            line=finding.package.line,
            subject=f"{finding.package.ecosystem}:{finding.package.name}",
            accepted=finding.accepted.reason if finding.accepted else "",
        )
        for finding in audit.findings
    ]
    rules = {finding.id: finding.summary or finding.id for finding in audit.findings}
    return json.dumps(sarif.log("llama-stack-distribution audit", rules, results))
