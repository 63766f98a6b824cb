"""Every way to start the built image, as a process of its own: a wrong config ends each with 78 and one report."""

import re
import shlex
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest
import yaml

from tests.support.process import free_port
from tests.support.scenarios import SECRET

SCENARIOS = Path(__file__).parents[1] / "scenarios"
FACTORY = "llama_stack.core.server.server:create_app --factory --host 127.0.0.1"
COMMANDS = {
    "entrypoint": "python -m distribution /tmp/run.yaml --port {port}",
    "entrypoint-variable": "RUN_CONFIG_PATH=/tmp/run.yaml python -m distribution --port {port}",
    "entrypoint-older-arguments": "python -m distribution --yaml-config /tmp/run.yaml --env A=B --port {port}",
    "llama-stack-run": "llama stack run /tmp/run.yaml --port {port}",
    "operator": f"LLAMA_STACK_CONFIG=/tmp/run.yaml uvicorn {FACTORY} --port {{port}}",
    "operator-workers": f"LLAMA_STACK_CONFIG=/tmp/run.yaml uvicorn {FACTORY} --port {{port}} --workers 2",
}
CODE = re.compile(r"^\S+:(\d+):\d+: error: .* \(([a-z-]+)\)$", re.MULTILINE)

RunInImage = Callable[..., CompletedProcess[str]]


def errors(scenario: str) -> list[str]:
    expected = yaml.safe_load((SCENARIOS / scenario / "expected.yaml").read_text(encoding="utf-8"))
    return sorted(expected.get("launch_errors", expected.get("errors", [])))


def environment(scenario: str) -> dict[str, str]:
    expected = yaml.safe_load((SCENARIOS / scenario / "expected.yaml").read_text(encoding="utf-8"))
    variables: dict[str, str] = expected.get("environment", {})
    return variables


def start(run_in_image: RunInImage, command: str, scenario: str) -> CompletedProcess[str]:
    """Start the server with a scenario's config at /tmp/run.yaml; it ends by itself."""
    config = (SCENARIOS / scenario / "run.yaml").read_text(encoding="utf-8")
    state = "export SQLITE_STORE_DIR=$(mktemp -d)"
    variables = shlex.join(f"{name}={value}" for name, value in environment(scenario).items())
    script = f"{state}; cat > /tmp/run.yaml; exec env {variables} {command.format(port=free_port())}"
    return run_in_image(["sh", "-c", script], input=config, timeout=180)


@pytest.mark.parametrize("launch", COMMANDS)
@pytest.mark.parametrize("scenario", ["five-faults", "yaml-broken"])
def test_a_wrong_config_ends_it_before_anything_is_served(launch: str, scenario: str, run_in_image: RunInImage) -> None:
    ended = start(run_in_image, COMMANDS[launch], scenario)
    assert ended.returncode == 78, ended.stderr
    found = sorted(f"{code} {line}" for line, code in CODE.findall(ended.stderr))
    assert found == errors(scenario), "each fault once"
    assert "Traceback" not in ended.stderr
    assert "Uvicorn running" not in ended.stderr


@pytest.mark.parametrize("launch", ["llama-stack-run", "operator-workers"])
def test_a_secret_that_is_in_no_file_ends_it_without_being_shown(launch: str, run_in_image: RunInImage) -> None:
    ended = start(run_in_image, COMMANDS[launch], "variable-files")
    assert ended.returncode == 78, ended.stderr
    assert sorted(f"{code} {line}" for line, code in CODE.findall(ended.stderr)) == errors("variable-files")
    assert SECRET not in ended.stderr


@pytest.mark.parametrize("launch", ["entrypoint", "llama-stack-run", "operator", "operator-workers"])
def test_a_provider_that_does_not_start_ends_it_with_one_report(launch: str, run_in_image: RunInImage) -> None:
    ended = start(run_in_image, COMMANDS[launch], "service-down-needed")
    assert ended.returncode == 78, ended.stderr
    found = [f"{code} {line}" for line, code in CODE.findall(ended.stderr)]
    assert found == errors("service-down-needed")


def test_a_port_that_kubernetes_wrote_does_not_stop_llama(run_in_image: RunInImage) -> None:
    ran = run_in_image(["env", "LLAMA_STACK_PORT=tcp://10.0.0.1:8321", "llama", "--help"], input="", timeout=60)
    assert ran.returncode == 0, ran.stderr
