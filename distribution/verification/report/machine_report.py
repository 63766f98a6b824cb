"""A verdict for programs: JSON, and SARIF for code hosts. docs/verification.md has the JSON schema."""

import json
from dataclasses import asdict
from typing import Any

from distribution.verification.findings import CODES, Finding, Severity
from distribution.verification.verify import Verdict

SARIF_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}


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
    used = sorted({finding.code for finding in verdict.findings})
    return json.dumps(
        {
            "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
            "version": "2.1.0",
            "runs": [
                {
                    "tool": {
                        "driver": {
                            "name": "llama-stack-distribution verify",
                            "rules": [{"id": code, "shortDescription": {"text": CODES[code][1]}} for code in used],
                        }
                    },
                    "results": [_sarif_result(finding) for finding in verdict.findings],
                }
            ],
        },
        indent=2,
    )


def _sarif_result(finding: Finding) -> dict[str, Any]:
    return {
        "ruleId": finding.code,
        "level": SARIF_LEVELS[finding.severity],
        "message": {"text": f"{finding.message} {finding.advice}"},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": finding.file.replace("\\", "/").lstrip("/")},
                    "region": {"startLine": finding.line, "startColumn": finding.column},
                },
                "logicalLocations": [{"fullyQualifiedName": finding.path}],
            }
        ],
    }
