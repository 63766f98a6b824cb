"""Every folder below scenarios/ through several launch paths of the built image.

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

import json
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
import yaml

FOLDER = Path(__file__).parent / "scenarios"
DRIVER = (Path(__file__).parent / "scenario_driver.py").read_text(encoding="utf-8")
NAMES = sorted(path.name for path in FOLDER.iterdir())
LAUNCHES = ("entrypoint", "operator")

# How every secret in the scenarios begins.
SECRET = "s3cr3t"

# FILE:LINE:COLUMN: SEVERITY: ... (CODE)
REPORT_LINE = re.compile(r"^\S+:(\d+):\d+: (error|warning): .* \(([a-z-]+)\)$", re.MULTILINE)

RunInImage = Callable[..., CompletedProcess[str]]


@cache
def expected(name: str) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((FOLDER / name / "expected.yaml").read_text(encoding="utf-8"))
    return document


@pytest.fixture(scope="module")
def outcomes(run_in_image: RunInImage) -> Callable[[str], dict[str, Any]]:
    """All scenarios through one launch path, run when first asked for."""

    @cache
    def through(launch: str) -> dict[str, Any]:
        asked = {
            name: {
                "run.yaml": (FOLDER / name / "run.yaml").read_text(encoding="utf-8"),
                "environment": expected(name).get("environment", {}),
            }
            for name in NAMES
        }
        ran = run_in_image(
            ["python", "-c", DRIVER], input=json.dumps({"launch": launch, "scenarios": asked}), timeout=900
        )
        assert ran.returncode == 0, ran.stderr[-4000:]
        found: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
        return found

    return through


def test_there_are_enough_of_them() -> None:
    assert len(NAMES) >= 60


@pytest.mark.parametrize("name", NAMES)
def test_verify_finds_all_and_no_more(name: str, outcomes: Callable[[str], dict[str, Any]]) -> None:
    outcome = outcomes("verify")[name]
    assert SECRET not in outcome["output"]
    verdict = json.loads(outcome["output"][outcome["output"].index("{\n") :])
    found = {
        severity: sorted(
            f"{finding['code']} {finding['line']}" for finding in verdict["findings"] if finding["severity"] == severity
        )
        for severity in ("error", "warning", "info")
    }
    assert found["error"] == sorted(expected(name).get("errors", []))
    assert found["warning"] == sorted(expected(name).get("warnings", []))
    assert set(expected(name).get("information", [])) <= set(found["info"])
    assert outcome["exit"] == (78 if found["error"] else 0)


STARTS = [
    (name, launch)
    for name in NAMES
    for launch in expected(name).get("launches", LAUNCHES)  # some mean something else on another launch path
]


@pytest.mark.parametrize(("name", "launch"), STARTS)
def test_a_start_says_the_same(name: str, launch: str, outcomes: Callable[[str], dict[str, Any]]) -> None:
    wanted = expected(name)
    outcome = outcomes(launch)[name]
    assert SECRET not in outcome["output"]
    found = sorted((severity, f"{code} {line}") for line, severity, code in REPORT_LINE.findall(outcome["output"]))
    errors = wanted.get("launch_errors", wanted.get("errors", []))
    warnings = [] if "launch_errors" in wanted else wanted.get("warnings", [])
    warnings = [*warnings, *wanted.get("launch_warnings", [])]
    assert found == sorted([("error", error) for error in errors] + [("warning", one) for one in warnings])
    assert outcome["served"] == (not errors)
    if errors:
        assert outcome["exit"] == 78
    else:
        assert "verified " in outcome["output"]
