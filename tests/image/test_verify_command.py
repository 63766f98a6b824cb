"""`python build.py verify`: the image's own answer, from a clone."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest
import yaml

from builder import paths
from tests.support.image import BuiltImage

SCENARIOS = Path(__file__).parents[1] / "scenarios"

Verify = Callable[..., CompletedProcess[str]]


@pytest.fixture
def verify(built: BuiltImage, tmp_path: Path) -> Verify:
    """Runs the command, in a directory of the user's; the image has been built, so its tree is there."""

    def run(*arguments: str, **environment: str) -> CompletedProcess[str]:
        words = [sys.executable, str(paths.ROOT / "build.py"), "verify", *arguments]
        return subprocess.run(
            words, cwd=tmp_path, env=os.environ | environment, capture_output=True, text=True, timeout=300, check=False
        )

    return run


def expected_errors(scenario: str) -> list[str]:
    expected = yaml.safe_load((SCENARIOS / scenario / "expected.yaml").read_text(encoding="utf-8"))
    return sorted(expected["errors"])


def test_it_answers_as_the_image_does_and_calls_the_file_by_its_name(verify: Verify, tmp_path: Path) -> None:
    config = tmp_path / "deploy" / "run.yaml"
    config.parent.mkdir()
    config.write_text((SCENARIOS / "five-faults" / "run.yaml").read_text())
    (tmp_path / "empty.env").touch()
    done = verify("--config", "deploy/run.yaml", "--json", "--env-file", "empty.env")
    assert done.returncode == 78, done.stderr
    report = json.loads(done.stdout)
    errors = [finding for finding in report["findings"] if finding["severity"] == "error"]
    assert sorted(f"{finding['code']} {finding['line']}" for finding in errors) == expected_errors("five-faults")
    assert {finding["file"] for finding in errors} == {report["file"]} == {"deploy/run.yaml"}


def test_the_kits_own_run_config_can_be_served(verify: Verify) -> None:
    done = verify("--strict")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "inference" in done.stdout
    assert "can be served by this image" in done.stdout


def test_a_manifest_is_unwrapped(verify: Verify, tmp_path: Path) -> None:
    inner = (SCENARIOS / "five-faults" / "run.yaml").read_text()
    manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "stack"}, "data": {"run.yaml": inner}}
    (tmp_path / "stack.yaml").write_text(yaml.safe_dump(manifest))
    (tmp_path / "empty.env").touch()
    done = verify("--config", "stack.yaml", "--sarif", "--env-file", "empty.env")
    assert done.returncode == 78
    found = [result["ruleId"] for result in json.loads(done.stdout)["runs"][0]["results"] if result["level"] == "error"]
    assert sorted(found) == sorted(error.split()[0] for error in expected_errors("five-faults"))


def test_the_environment_is_the_targets(verify: Verify, tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_text(paths.RUN_CONFIG.read_text().replace("${env.VLLM_URL:=}", "${env.VLLM_URL}"))
    (tmp_path / "target.env").write_text("VLLM_URL\n")
    unknown = verify("--config", "run.yaml", "--json", VLLM_URL="")
    assert json.loads(unknown.stdout)["counts"]["error"] == 0
    unset = verify("--config", "run.yaml", "--json", "--env-file", "target.env", VLLM_URL="")
    assert [one["code"] for one in json.loads(unset.stdout)["findings"] if one["severity"] == "error"] == [
        "unset-variable"
    ]
    given = verify("--config", "run.yaml", "--json", "--env-file", "target.env", VLLM_URL="http://vllm:8000/v1")
    assert json.loads(given.stdout)["passes"]
    (tmp_path / "target.env").write_text("VLLM_URL = http://vllm:8000/v1\n")
    wrong = verify("--config", "run.yaml", "--env-file", "target.env")
    assert wrong.returncode == 65
    assert "target.env:1: is not NAME=VALUE" in wrong.stderr


def test_a_value_of_several_lines_arrives_whole(verify: Verify, tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_text(paths.RUN_CONFIG.read_text().replace("${env.VLLM_URL:=}", "${env.VLLM_URL}"))
    certificate = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE----- \n"
    for line in (["--env", f"VLLM_URL={certificate}"], ["--env-file", "names.env"]):
        (tmp_path / "names.env").write_text("VLLM_URL\n")
        done = verify("--config", "run.yaml", "--json", *line, VLLM_URL=certificate)
        assert done.returncode in (0, 78), done.stderr
        codes = [one["code"] for one in json.loads(done.stdout)["findings"] if one["severity"] == "error"]
        assert "unset-variable" not in codes


def test_it_verifies_for_the_image_that_the_same_options_would_build(verify: Verify) -> None:
    done = verify("--without", "prompts=inline::prompts", "--json")
    assert done.returncode == 0, done.stdout
    codes = {finding["code"] for finding in json.loads(done.stdout)["findings"]}
    assert "provider-not-in-manifest" in codes
