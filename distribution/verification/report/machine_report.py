"""A verdict for programs: JSON, and SARIF for code hosts. docs/verification.md has the JSON schema."""

import json
from dataclasses import asdict

from distribution.verification.findings import CODES, Finding, Severity
from distribution.verification.verify import Verdict
from formats import sarif

SARIF_LEVELS: dict[Severity, sarif.Level] = {
    Severity.ERROR: "error",
    Severity.WARNING: "warning",
    Severity.INFO: "note",
}


def as_json(verdict: Verdict, *, strict: bool) -> str:
    """Return the verdict as a JSON object."""
    return json.dumps(
        {
            "file": verdict.file,
            "reason": verdict.reason,
            "passes": verdict.passes(strict=strict),
            "counts": {str(severity): verdict.count(severity) for severity in Severity},
            "seconds": round(verdict.seconds, 3),
            "apis": verdict.apis,
            "providers": [
                {
                    "api": provider.api,
                    "provider_id": provider.provider_id,
                    "provider_type": provider.provider_type,
                    "state": provider.state.value,
                }
                for provider in verdict.providers
            ],
            "findings": [asdict(finding) for finding in verdict.findings],
        },
        indent=2,
    )


def as_sarif(verdict: Verdict) -> str:
    """Return the verdict as a SARIF 2.1.0 log."""
    rules = {finding.code: CODES[finding.code][1] for finding in verdict.findings}
    results = [_sarif_result(finding) for finding in verdict.findings]
    return json.dumps(sarif.log("llama-stack-distribution verify", rules, results), indent=2)


def _sarif_result(finding: Finding) -> sarif.Result:
    return sarif.Result(
        rule=finding.code,
        level=SARIF_LEVELS[finding.severity],
        message=f"{finding.message} {finding.advice}",
        file=finding.file,
        line=finding.line,
        column=finding.column,
        subject=finding.path,
    )
