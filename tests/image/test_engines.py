"""The image in Docker and Podman, as users and clusters run it."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml
from docker import DockerClient
from docker.models.containers import Container
from docker.types import Mount

from builder import paths, tags
from builder.engine import HARDENED
from tests.support import image
from tests.support.docker_engine import DockerEngine
from tests.support.image import TAG, BuiltImage
from tests.support.podman import Podman

OPERATOR_COMMAND = (
    "/bin/sh",
    "-c",
    "python -c 'import importlib.metadata, packaging.version as v; "
    'assert v.parse(importlib.metadata.version("llama-stack")) >= v.parse("0.2.17")\' && '
    "exec uvicorn llama_stack.core.server.server:create_app --host 0.0.0.0 --port ${LLS_PORT:-8321} "
    "--workers ${LLS_WORKERS:-1} --factory",
)
"""What the Kubernetes operator replaces the image's command by."""


@pytest.fixture(scope="module")
def loaded(built: BuiltImage, docker_client: DockerClient) -> DockerClient:
    """An engine that holds the image."""
    with built.archive.open("rb") as archive:
        docker_client.images.load(archive)
    return docker_client


@contextmanager
def _container(client: DockerClient, *command: str, **options: Any) -> Iterator[Container]:
    container = client.containers.run(TAG, list(command), detach=True, **options)
    try:
        yield container
    finally:
        container.remove(force=True, v=True)


def _address(container: Container, port: int = 8321) -> str:
    container.reload()
    network = next(iter(container.attrs["NetworkSettings"]["Networks"].values()))
    return f"http://{network['IPAddress']}:{port}"


def _wait_for_health(container: Container, port: int = 8321) -> str:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        address = _address(container, port)
        if container.status == "exited":
            break
        try:
            if requests.get(f"{address}/v1/health", timeout=5).json() == {"status": "OK"}:
                return address
        except requests.RequestException:
            time.sleep(0.2)
    raise AssertionError(bytes(container.logs()).decode()[-3000:])


def _use(address: str) -> None:
    """Store a prompt and a file and read them back."""
    created = requests.post(f"{address}/v1/prompts", json={"prompt": "Hello"}, timeout=30).json()
    assert requests.get(f"{address}/v1/prompts/{created['prompt_id']}", timeout=30).json()["prompt"] == "Hello"
    upload = {"file": ("a.txt", b"content")}
    stored = requests.post(f"{address}/v1/files", files=upload, data={"purpose": "assistants"}, timeout=30).json()
    assert requests.get(f"{address}/v1/files/{stored['id']}/content", timeout=30).content == b"content"


def test_docker_loads_it_and_it_serves(loaded: DockerClient) -> None:
    with _container(loaded) as container:
        _use(_wait_for_health(container))
        container.stop(timeout=20)
        assert container.wait()["StatusCode"] == 0


def test_it_serves_on_any_uid_with_a_read_only_root_and_an_empty_volume(loaded: DockerClient) -> None:
    with _container(loaded, **HARDENED) as container:
        _use(_wait_for_health(container))
        identity = str(container.exec_run(["id"]).output)
        assert "uid=1000650000 gid=0" in identity


def test_a_fixed_uid_with_another_group_owns_its_volume(loaded: DockerClient) -> None:
    with _container(loaded, user="1234:5678", read_only=True, tmpfs={"/tmp": "", "/data": "uid=1234"}) as container:
        _use(_wait_for_health(container))


def test_the_port_can_be_chosen(loaded: DockerClient) -> None:
    with _container(loaded, "--port", "5001") as container:
        _wait_for_health(container, 5001)


def test_older_manifests_arguments_work(loaded: DockerClient) -> None:
    arguments = ("--yaml-config", "/opt/llama-stack/run.yaml", "--env", "LLAMA_STACK_PORT=5002")
    with _container(loaded, *arguments) as container:
        _wait_for_health(container, 5002)


def test_the_operators_command_serves(loaded: DockerClient) -> None:
    environment = {
        "LLAMA_STACK_CONFIG": "/opt/llama-stack/run.yaml",
        "HF_HOME": "/.llama",
        "LLS_WORKERS": "1",
    }
    first, *rest = OPERATOR_COMMAND
    with _container(loaded, *rest, entrypoint=first, environment=environment, **HARDENED) as container:
        _use(_wait_for_health(container))


def test_another_program_is_run(loaded: DockerClient) -> None:
    output = loaded.containers.run(TAG, ["sh", "-c", "llama --help | head -1"], remove=True)
    assert b"usage: llama" in output


def test_a_config_that_was_asked_for_and_is_missing_is_an_error(loaded: DockerClient) -> None:
    with _container(loaded, "/etc/llama-stack/absent.yaml") as container:
        assert container.wait(timeout=60)["StatusCode"] == 78
        assert b"/etc/llama-stack/absent.yaml" in container.logs()


@pytest.mark.parametrize("writable", [True, False])
def test_kubernetes_is_told_why_it_does_not_start(loaded: DockerClient, tmp_path: Path, writable: bool) -> None:
    log, config = tmp_path / "termination-log", tmp_path / "run.yaml"
    log.touch()
    log.chmod(0o666 if writable else 0o444)
    scenario = Path(__file__).parents[1] / "scenarios" / "eight-faults"
    config.write_text((scenario / "run.yaml").read_text())
    mounts = [Mount("/dev/termination-log", str(log), type="bind")]
    mounts.append(Mount("/etc/llama-stack/run.yaml", str(config), type="bind", read_only=True))
    with _container(loaded, mounts=mounts, **HARDENED) as container:
        assert container.wait(timeout=60)["StatusCode"] == 78
        report = bytes(container.logs()).decode()
    assert "/etc/llama-stack/run.yaml cannot be served by this image: " in report
    first, *findings = log.read_text().splitlines() or [""]
    assert len(log.read_bytes()) <= 4096
    if writable:
        assert first in report
        severities = [line.split(": ")[1] for line in findings]
        assert severities == sorted(severities), "errors before warnings"
        assert severities.count("error") == len(yaml.safe_load((scenario / "expected.yaml").read_text())["errors"])
    else:
        assert not findings


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"user": "1000650000:0", "read_only": True}, "/data cannot be written: read-only file system"),
        ({"user": "1234:5678"}, "this process is uid 1234, gid 5678, and /data belongs to 1001:0 with mode 0775"),
    ],
)
def test_verify_says_who_cannot_write_where(loaded: DockerClient, options: dict[str, Any], reason: str) -> None:
    with _container(loaded, "verify", **options) as container:
        assert container.wait(timeout=60)["StatusCode"] == 78
        report = bytes(container.logs()).decode()
    assert reason in report
    assert "fsGroup" in report
    assert "Traceback" not in report


def test_kubernetes_is_told_that_the_config_is_missing(loaded: DockerClient, tmp_path: Path) -> None:
    log = tmp_path / "termination-log"
    log.touch()
    mounts = [Mount("/dev/termination-log", str(log), type="bind")]
    for command in (["/absent.yaml"], ["uvicorn", "llama_stack.core.server.server:create_app", "--factory"]):
        environment = {"LLAMA_STACK_CONFIG": "/absent.yaml"}
        with _container(loaded, *command, mounts=mounts, environment=environment, user="0:0") as container:
            assert container.wait(timeout=60)["StatusCode"] == 78
        assert "/absent.yaml" in log.read_text()
        log.write_text("")


def test_podman_loads_and_runs_it(built: BuiltImage, podman: Podman) -> None:
    assert tags.parse(TAG).qualified in podman.run("load", "--input", built.archive).stdout
    done = podman.run("run", "--rm", "--read-only", "--user", "1000650000:0", TAG, "id", "-u")
    assert done.stdout.strip() == "1000650000"


def test_the_build_verifies_in_an_engine_when_one_answers(
    built: BuiltImage, docker_engine: DockerEngine, tmp_path: Path, forget_verdict: Callable[[str], None]
) -> None:
    forget_verdict(built.digest)
    environment = {"DOCKER_HOST": docker_engine.host}
    again = image.build(paths.ROOT, tmp_path / "again.tar", environment=environment, load=True)
    assert again.digest == built.digest
    assert again.result["verified"]["where"].startswith(f"a container of {docker_engine.host}")
    assert docker_engine.client.images.get(TAG)


def test_an_archive_is_made_also_if_the_named_engine_does_not_answer(
    built: BuiltImage, tmp_path: Path, forget_verdict: Callable[[str], None]
) -> None:
    forget_verdict(built.digest)
    silent = {"DOCKER_HOST": f"unix://{tmp_path}/none.sock"}
    command = [sys.executable, "build.py", "--tag", TAG, "--json", "--output", str(tmp_path / "x.tar")]
    done = subprocess.run(command, cwd=paths.ROOT, env=os.environ | silent, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert f"warning: DOCKER_HOST={silent['DOCKER_HOST']}: no engine answers" in done.stderr
    result = json.loads(done.stdout)
    assert result["images"][0]["digest"] == built.digest
    assert result["verified"]["where"] == "a namespace of its own, without an engine"
    assert (tmp_path / "x.tar").is_file()
