"""Verify one run config for one target."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from distribution.verification.checks import (
    access_policy,
    addresses,
    apis,
    authentication,
    dependencies,
    directories,
    external_directories,
    outgoing,
    provider_configs,
    providers,
    reachability,
    resources,
    route_policy,
    schema,
    server,
    storage,
    variables,
)
from distribution.verification.document import Document, Position, Source, finding, load
from distribution.verification.findings import Finding, Severity
from distribution.verification.known_names import known_names
from distribution.verification.masking import Masker
from distribution.verification.old_format import find_leftovers
from distribution.verification.resolution import Resolution, resolve
from distribution.verification.subject import ConfiguredProvider, Subject, Target

CHECKS: tuple[Callable[[Subject, Resolution], Iterable[Finding]], ...] = (
    variables.check,
    external_directories.check,
    apis.check,
    providers.check,
    provider_configs.check,
    dependencies.check,
    storage.check,
    directories.check,
    addresses.check,
    resources.check,
    server.check,
    access_policy.check,
    outgoing.check,
    authentication.check,
    route_policy.check,
    schema.check,
)
"""Each only reads; whatever order they run in, findings are sorted by severity and place."""


@dataclass(frozen=True)
class Verdict:
    """What verification found, most severe first; `reason` says why this file was chosen."""

    file: str
    reason: str
    findings: list[Finding]
    seconds: float
    apis: list[str] = field(default_factory=list)
    providers: list[ConfiguredProvider] = field(default_factory=list)

    def count(self, severity: Severity) -> int:
        """Return how many findings are of this severity."""
        return sum(found.severity is severity for found in self.findings)

    def passes(self, *, strict: bool = False) -> bool:
        """Tell whether the config may be served; a strict judge minds warnings too."""
        return not (self.count(Severity.ERROR) or (strict and self.count(Severity.WARNING)))


def read(path: Path, shown_as: str | None = None) -> Source | Finding:
    """Read a run config as text; a Finding says why that failed. Findings call the file `shown_as`, or its path."""
    name = shown_as or str(path)
    try:
        return Source(path.read_text(encoding="utf-8-sig"), name)
    except UnicodeDecodeError as error:
        problem, advice = f"it is not UTF-8 text (byte {error.start})", "Save it as UTF-8."
    except OSError as error:
        problem, advice = (error.strerror or str(error)).lower(), "Correct the path or its permissions."
    message = f"The run config cannot be read: {problem}."
    return finding("file-unreadable", name, Position(1, 1), (), message, advice)


def verify(
    source: Source, target: Target, reason: str = "", *, probe: bool = False, require_reachable: bool = False
) -> Verdict:
    """Run all checks. Never raises for anything that is written in the config."""
    started = time.perf_counter()
    document, findings = load(source)
    masker = Masker(document.data if document else None, target.environment or {})
    subject: Subject | None = None
    if document:
        if problem := _why_not_a_run_config(document):
            findings.append(problem)
        else:
            subject = Subject(document, target)
            findings += _all_checks(subject, probe=probe, require_reachable=require_reachable)
            masker = Masker([document.data, subject.data], subject.secret_sources, known_names(subject))
    return Verdict(
        file=source.file,
        reason=reason,
        findings=sorted({masker.finding(found) for found in findings}, key=lambda found: found.rank),
        seconds=time.perf_counter() - started,
        apis=sorted(masker.text(api) for api in subject.served_apis - {"telemetry"}) if subject else [],
        providers=[_masked(one, masker) for one in _served(subject)] if subject else [],
    )


def _served(subject: Subject) -> list[ConfiguredProvider]:
    return [provider for provider in subject.enabled_providers if not subject.is_obsolete(provider.path)]


def _masked(provider: ConfiguredProvider, masker: Masker) -> ConfiguredProvider:
    """Return what reports show of a provider."""
    return replace(
        provider,
        provider_id=masker.text(provider.provider_id),
        provider_type=masker.text(provider.provider_type),
        config={},
    )


def _why_not_a_run_config(document: Document) -> Finding | None:
    data = document.data
    if data is None:
        problem, advice = (
            "The file is empty.",
            "Give a run config, or leave the path out to serve the image's own.",
        )
    elif not isinstance(data, dict):
        problem, advice = (
            "The file holds no mapping.",
            "A run config is a mapping with `version`, `apis`, `providers`.",
        )
    elif "kind" in data and "apiVersion" in data:
        problem = f"The file is a Kubernetes manifest ({data['kind']}), not a run config."
        advice = "Serve what is inside it: mount the ConfigMap and give the path of the file that its key becomes."
    elif "distribution_spec" in data:
        problem = "The file is a build config, not a run config."
        advice = "Give the run config; `providers` in it have a provider_id and a config."
    else:
        return None
    return finding("not-a-run-config", document.file, document.position(()), (), problem, advice)


def _all_checks(subject: Subject, *, probe: bool, require_reachable: bool) -> list[Finding]:
    findings = [leftover.finding for leftover in find_leftovers(subject)]
    resolution = resolve(subject)
    for check in CHECKS:
        findings += check(subject, resolution)
    if probe or require_reachable:
        findings += reachability.check(subject, resolution, required=require_reachable)
    return findings
