"""Every folder of tests/scenarios through several launch paths of the built image."""

import json
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from tests.support import scenarios
from tests.support.scenarios import expected

DRIVER = (Path(__file__).parent / "scenario_driver.py").read_text(encoding="utf-8")
LAUNCHES = ("entrypoint", "operator")

# FILE:LINE:COLUMN: SEVERITY: ... (CODE); where the server goes on to start it is a line of its log.
REPORT_LINE = re.compile(r"^(?:\S+ WARNING core: )?\S+:(\d+):\d+: (error|warning): .* \(([a-z-]+)\)$", re.MULTILINE)

RunInImage = Callable[..., CompletedProcess[str]]


@pytest.fixture(scope="module")
def outcomes(run_in_image: RunInImage) -> Callable[[str], dict[str, Any]]:
    """All scenarios through one launch path, run when first asked for."""

    @cache
    def through(launch: str) -> dict[str, Any]:
        asked = {
            name: {"run.yaml": scenarios.run_config(name), "environment": scenarios.environment(name)}
            for name in scenarios.NAMES
        }
        ran = run_in_image(
            ["python", "-c", DRIVER], input=json.dumps({"launch": launch, "scenarios": asked}), timeout=900
        )
        assert ran.returncode == 0, ran.stderr[-4000:]
        found: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
        return found

    return through


@pytest.mark.parametrize("name", scenarios.NAMES)
def test_verify_finds_all_and_no_more(name: str, outcomes: Callable[[str], dict[str, Any]]) -> None:
    outcome = outcomes("verify")[name]
    assert scenarios.SECRET not in outcome["output"]
    verdict = json.loads(outcome["output"][outcome["output"].index("{\n") :])
    scenarios.as_expected(verdict["findings"], name)
    assert outcome["exit"] == (78 if expected(name).get("errors") else 0)


STARTS = [
    (name, launch)
    for name in scenarios.NAMES
    for launch in expected(name).get("launches", LAUNCHES)  # some mean something else on another launch path
]


@pytest.mark.parametrize(("name", "launch"), STARTS)
def test_a_start_says_the_same(name: str, launch: str, outcomes: Callable[[str], dict[str, Any]]) -> None:
    wanted = expected(name)
    outcome = outcomes(launch)[name]
    assert scenarios.SECRET not in outcome["output"]
    found = sorted((severity, f"{code} {line}") for line, severity, code in REPORT_LINE.findall(outcome["output"]))
    # Whether anybody gets in depends on where a launch path listens; a test of its own is about that.
    found = [one for one in found if not one[1].startswith("open-server ")]
    errors = wanted.get("launch_errors", wanted.get("errors", []))
    warnings = [] if "launch_errors" in wanted else wanted.get("warnings", [])
    warnings = [*warnings, *wanted.get("launch_warnings", [])]
    assert found == sorted([("error", error) for error in errors] + [("warning", one) for one in warnings])
    assert outcome["served"] == (not errors)
    if errors:
        assert outcome["exit"] == 78
    else:
        assert "verified " in outcome["output"]
