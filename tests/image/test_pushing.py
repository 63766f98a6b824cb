"""The real image in a real registry, and back in the engines that will run it."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from docker import DockerClient

from builder import paths
from tests.support import forwarder
from tests.support.image import TAG, BuiltImage
from tests.support.podman import Podman
from tests.support.registry import Registry

LITTLE = 150_000  # bytes


def _push(image: BuiltImage, tag: str) -> dict[str, Any]:
    command = [sys.executable, "build.py", "push", "--tag", tag, "--archive", image.archive, "--plain-http", "--json"]
    done = subprocess.run(command, cwd=paths.ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def test_engines_pull_what_was_pushed(
    built: BuiltImage, registry: Registry, docker_client: DockerClient, podman: Podman
) -> None:
    tag = f"{registry.address}/ai/llama-stack:1"
    assert _push(built, tag)["digest"] == built.digest
    pulled = docker_client.images.pull(tag)
    assert pulled.attrs["RepoDigests"] == [f"{tag.rpartition(':')[0]}@{built.digest}"]
    assert b"0.3.3" in docker_client.containers.run(tag, ["llama", "stack", "--version"], remove=True)
    podman.run("pull", "--tls-verify=false", tag)
    assert podman.run("image", "inspect", "--format", "{{.Digest}}", tag).stdout.strip() == built.digest


def test_after_a_change_to_run_yaml_little_is_sent(built: BuiltImage, registry: Registry, tmp_path: Path) -> None:
    tag = f"{registry.address}/ai/llama-stack:2"
    _push(built, tag)
    run_config = tmp_path / "run.yaml"
    run_config.write_text(paths.RUN_CONFIG.read_text() + "# changed\n")
    port = int(registry.address.rpartition(":")[2])
    with forwarder.forward(port) as counting:
        through = f"127.0.0.1:{counting.port}/ai/llama-stack:2"
        command = [sys.executable, "build.py", "--tag", TAG, "--run-config", run_config, "--output", tmp_path / "new.tar"]
        built_and_pushed = subprocess.run(
            [*command, "--no-load", "--json"], cwd=paths.ROOT, capture_output=True, text=True, check=False
        )
        assert built_and_pushed.returncode == 0, built_and_pushed.stderr
        again = BuiltImage(tmp_path / "new.tar", json.loads(built_and_pushed.stdout))
        assert _push(again, through)["digest"] == again.digest != built.digest
        assert counting.received < LITTLE
