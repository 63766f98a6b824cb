"""The real image in a real registry, and back in the engines that will run it."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from docker import DockerClient

from builder import paths
from tests.support import forwarder
from tests.support.image import BuiltImage
from tests.support.podman import Podman
from tests.support.registry import Registry

LITTLE = 150_000  # bytes


def _run(*arguments: str | Path) -> dict[str, Any]:
    command = [sys.executable, "build.py", *arguments, "--plain-http", "--json"]
    done = subprocess.run(command, cwd=paths.ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def test_engines_pull_what_was_pushed(
    built: BuiltImage, registry: Registry, docker_client: DockerClient, podman: Podman
) -> None:
    tag = f"{registry.address}/ai/llama-stack:1"
    assert _run("push", "--tag", tag, "--archive", built.archive)["digest"] == built.digest
    pulled = docker_client.images.pull(tag)
    assert pulled.attrs["RepoDigests"] == [f"{tag.rpartition(':')[0]}@{built.digest}"]
    assert b"usage: llama" in docker_client.containers.run(tag, ["llama", "--help"], remove=True)
    podman.run("pull", "--tls-verify=false", tag)
    assert podman.run("image", "inspect", "--format", "{{.Digest}}", tag).stdout.strip() == built.digest


def test_after_a_change_to_run_yaml_little_is_sent(built: BuiltImage, registry: Registry, tmp_path: Path) -> None:
    _run("push", "--tag", f"{registry.address}/ai/llama-stack:2", "--archive", built.archive)
    changed = tmp_path / "run.yaml"
    changed.write_text(paths.RUN_CONFIG.read_text() + "# changed\n")
    with forwarder.forward(int(registry.address.rpartition(":")[2])) as counting:
        tag = f"127.0.0.1:{counting.port}/ai/llama-stack:2"
        again = _run("--tag", tag, "--run-config", changed, "--output", tmp_path / "new.tar", "--no-load", "--push")
        assert again["pushed"]["digest"] == again["images"][0]["digest"] != built.digest
        assert counting.received < LITTLE
