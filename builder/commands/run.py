"""`build.py run --tag ...`: serve an image that was built here, with an engine or without one."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

from docker.models.containers import Container

from builder import engine, paths, payload, progress, sandbox
from builder.engine import Engine
from builder.errors import KitError, UsageError
from builder.image import unpack
from builder.tags import Tag


def run(tag: Tag, port: int, data: Path | None, environment: dict[str, str]) -> None:
    """Serve on `port` of the loopback until interrupted. State is in `data`, or in build/data/<tag>.

    `environment` is what the run config's `${env...}` expressions see.
    """
    state = (data or paths.BUILD / "data" / tag.file_name.removesuffix(".tar")).resolve()
    state.mkdir(parents=True, exist_ok=True)
    signal.signal(signal.SIGTERM, _end)  # its default would leave the server behind
    if running := engine.find():
        _run_container(running, tag, port, state, environment)
    elif why := sandbox.why_unavailable():
        raise KitError(f"no engine answers and {why}", "start Docker or Podman, or set DOCKER_HOST")
    else:
        _run_sandbox(tag, port, state, environment)


def _end(number: int, _: object) -> NoReturn:
    sys.exit(128 + number)


def _run_container(running: Engine, tag: Tag, port: int, state: Path, environment: dict[str, str]) -> None:
    options = {
        "volumes": {str(state): {"bind": f"/{payload.DATA}", "mode": "rw"}},
        "environment": environment,
        "user": f"{os.getuid()}:0" if hasattr(os, "getuid") else None,  # who may write to `state`
    }
    with running.container(tag, port, **options) as container:
        progress.err.print(f"serving {tag} on http://127.0.0.1:{port}, state in {paths.shown(state)}; Ctrl-C stops it")
        _follow(container)


def _follow(container: Container) -> None:
    for line in container.logs(stream=True, follow=True):
        progress.out.print(line.decode("utf-8", errors="replace"), end="", markup=False)
    status = container.wait()["StatusCode"]
    if status:
        raise KitError(f"the server ended with exit code {status}")


def _run_sandbox(tag: Tag, port: int, state: Path, environment: dict[str, str]) -> None:
    archive = paths.DIST / tag.file_name
    if not archive.is_file():
        raise UsageError(f"{paths.shown(archive)} is not there", f"build it first: python build.py --tag {tag}")
    root = unpack.archive(archive, paths.BUILD / "unpacked")
    program = [*payload.ENTRYPOINT, "--port", str(port)]
    command = sandbox.command(root, program, environment=unpack.environment(archive) | environment, data=state)
    progress.err.print(f"serving {tag} on http://127.0.0.1:{port}, state in {paths.shown(state)}; Ctrl-C stops it")
    process = subprocess.Popen(command)
    try:
        status = process.wait()
    finally:
        sandbox.stop(process)
    if status:
        raise KitError(f"the server ended with exit code {status}")
