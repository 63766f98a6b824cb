"""Every folder of tests/scenarios, verified in this process; tests/image starts them in the built image."""

import json
from pathlib import Path

import pytest

from distribution.verification import installed_packages, manifests
from distribution.verification.document import Source
from distribution.verification.report.machine_report import as_json
from distribution.verification.subject import Target
from distribution.verification.verify import verify
from tests.support import scenarios


@pytest.fixture(autouse=True)
def without_what_only_the_tests_have(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests' environment holds the packages of the image, and milvus-lite for a Milvus to test against."""
    is_installed = installed_packages.is_installed
    monkeypatch.setattr(installed_packages, "is_installed", lambda name: name != "milvus-lite" and is_installed(name))


def test_there_are_enough_of_them() -> None:
    assert len(scenarios.NAMES) >= 60


@pytest.mark.parametrize("name", scenarios.NAMES)
def test_verification_finds_all_and_no_more(name: str, tmp_path: Path) -> None:
    environment = scenarios.environment(name) | {"SQLITE_STORE_DIR": f"{tmp_path}/state"}
    source = manifests.unwrap(Source(scenarios.run_config(name), "run.yaml"))
    report = as_json(verify(source, Target(environment, here=True)), strict=False)
    assert scenarios.SECRET not in report
    scenarios.as_expected(json.loads(report)["findings"], name)
