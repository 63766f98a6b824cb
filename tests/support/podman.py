"""Podman with storage of its own, on machines that allow little."""

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.process import NotInstalled, installed, running, scratch

INSTALL = "apt-get install podman runc catatonit netavark aardvark-dns"
WITHOUT_RLIMITS = Path(__file__).with_name("without_rlimits.py")


@dataclass(frozen=True)
class Podman:
    """Runs podman commands on one storage."""

    command: tuple[str, ...]
    environment: Mapping[str, str]
    directory: Path

    def run(self, *arguments: str | Path, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run one command and return what it printed; raises ``CalledProcessError`` if it fails."""
        return subprocess.run(
            [*self.command, *arguments],
            check=check,
            capture_output=True,
            text=True,
            env=dict(self.environment),
        )

    @contextmanager
    def api(self) -> Iterator[str]:
        """Serve the Docker API until the block ends; the address is one for ``DOCKER_HOST``."""
        socket = self.directory / "podman.sock"
        with running(
            [*self.command, "system", "service", "--time", "0", f"unix://{socket}"],
            log=self.directory / "api.log",
            ready=socket.is_socket,
            env=self.environment,
        ):
            yield f"unix://{socket}"


@contextmanager
def serve() -> Iterator[Podman]:
    """Podman until the block ends; then its pods, containers and images are gone."""
    program = installed("podman", INSTALL)
    runtime = installed("runc", INSTALL)
    installed("catatonit", INSTALL)
    if os.geteuid() != 0:
        raise NotInstalled("the tests run podman as root only")
    with scratch("podman") as directory:
        config = directory / "containers.conf"
        config.write_text(_config(directory, runtime))
        storage = (
            "--root",
            directory / "root",
            "--runroot",
            directory / "run",
            "--tmpdir",
            directory / "tmp",
        )
        podman = Podman((str(program), *map(str, storage)), {**os.environ, "CONTAINERS_CONF": str(config)}, directory)
        try:
            yield podman
        finally:
            podman.run("pod", "rm", "--all", "--force", "--time", "0")
            podman.run("rm", "--all", "--force", "--time", "0")
            podman.run("system", "reset", "--force")


def _config(directory: Path, runtime: Path) -> str:
    wrapper = directory / "runtime"
    command = shlex.join([sys.executable, "-I", str(WITHOUT_RLIMITS), str(runtime)])
    wrapper.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
    wrapper.chmod(0o755)
    networks, runtimes = json.dumps(str(directory / "networks")), json.dumps([str(wrapper)])
    return f"""
[containers]
log_driver = "k8s-file"

[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
lock_type = "file"
runtime = "without-rlimits"

[engine.runtimes]
without-rlimits = {runtimes}

[network]
network_backend = "netavark"
network_config_dir = {networks}
"""
