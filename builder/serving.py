"""Serve an image that was built here, with an engine or without one."""

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from docker.models.containers import Container

from builder import engine, paths, payload, progress, sandbox, trees
from builder.engine import Engine
from builder.errors import KitError, UsageError
from builder.image import unpack, written
from builder.image.layers import BlobStore

if TYPE_CHECKING:
    from builder.commands.run import Options


def serve(options: "Options") -> None:
    """Serve on a port of the loopback until interrupted. State is in the folder asked for, or in build/data/<tag>."""
    state = (options.data or paths.BUILD / "data" / options.tag.file_name.removesuffix(".tar")).resolve()
    state.mkdir(parents=True, exist_ok=True)
    if running := engine.find():
        _run_container(running, options, state)
    elif why := sandbox.why_unavailable():
        raise KitError(f"no engine answers and {why}", "start Docker or Podman, or set DOCKER_HOST")
    else:
        _run_sandbox(options, state)


def _run_container(running: Engine, options: "Options", state: Path) -> None:
    settings = {
        "volumes": {str(state): {"bind": f"/{payload.DATA}", "mode": "rw"}},
        "environment": dict(options.environment),
        "user": f"{os.getuid()}:0" if hasattr(os, "getuid") else None,  # who may write to `state`
    }
    with running.container(options.tag, options.port, **settings) as container:
        _announce(options, state)
        _follow(container)


def _announce(options: "Options", state: Path) -> None:
    place = f"http://127.0.0.1:{options.port}"
    progress.err.print(f"serving {options.tag} on {place}, state in {paths.shown(state)}; Ctrl-C stops it")


def _follow(container: Container) -> None:
    for line in container.logs(stream=True, follow=True):
        progress.out.print(line.decode("utf-8", errors="replace"), end="")
    status = container.wait()["StatusCode"]
    if status:
        raise KitError(f"the server ended with exit code {status}")


def _run_sandbox(options: "Options", state: Path) -> None:
    archive = paths.DIST / options.tag.file_name
    if not archive.is_file():
        raise UsageError(f"{paths.shown(archive)} is not there", f"build it first: python build.py --tag {options.tag}")
    written.of_tag(archive, options.tag)
    root = trees.tree_of(archive, BlobStore(paths.BLOBS))
    program = [*payload.ENTRYPOINT, "--port", str(options.port)]
    # The sandbox is in this machine's own network: nobody else is to reach it.
    environment = {**unpack.environment(archive), "LLAMA_STACK_HOST": "127.0.0.1", **options.environment}
    command = sandbox.command(root, program, environment=environment, data=state)
    _announce(options, state)
    process = subprocess.Popen(command)
    try:
        status = process.wait()
    finally:
        sandbox.stop(process)
    if status:
        raise KitError(f"the server ended with exit code {status}")
