"""The scenarios of verification: every folder below tests/scenarios is a run config and what is to be said of it.

A folder holds `run.yaml` (a run config, or a ConfigMap with one in it) and `expected.yaml`:

    about: what the scenario shows
    environment: {NAME: VALUE}      variables that are set
    errors: [CODE LINE, ...]        all of them, and all warnings
    warnings: [CODE LINE, ...]
    information: [CODE LINE, ...]   some of it; `verify` only
    launch_errors: [...]            in place of `errors` where the server is started
    launch_warnings: [...]          besides `warnings` where the server is started
    launches: [...]                 if not all launch paths mean the same
"""

from functools import cache
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parents[1] / "scenarios"
NAMES = sorted(path.name for path in FOLDER.iterdir())

SECRET = "s3cr3t"
"""How every secret in the scenarios begins."""


def run_config(name: str) -> str:
    """Return the run config of a scenario."""
    return (FOLDER / name / "run.yaml").read_text(encoding="utf-8")


@cache
def expected(name: str) -> dict[str, Any]:
    """Return what is to be said of it."""
    document: dict[str, Any] = yaml.safe_load((FOLDER / name / "expected.yaml").read_text(encoding="utf-8"))
    return document


def environment(name: str) -> dict[str, str]:
    """Return the variables that are set, besides that of the place for its state."""
    variables: dict[str, str] = expected(name).get("environment", {})
    return variables


def as_expected(findings: list[dict[str, Any]], name: str) -> None:
    """Assert that the findings, as in a JSON report, are those of the scenario and no others."""
    found = {
        severity: sorted(f"{one['code']} {one['line']}" for one in findings if one["severity"] == severity)
        for severity in ("error", "warning", "info")
    }
    assert found["error"] == sorted(expected(name).get("errors", []))
    assert found["warning"] == sorted(expected(name).get("warnings", []))
    assert set(expected(name).get("information", [])) <= set(found["info"])
