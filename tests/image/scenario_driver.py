"""Runs inside the image: one scenario after the other through one launch path, each in a process of its own.

Standard input holds `{"launch": PATH, "scenarios": {NAME: {"run.yaml": TEXT, "environment": {...}}}}`; the last line of
standard output is `{NAME: {"exit": CODE, "served": BOOL, "output": TEXT}}`. llama-stack is imported once and each
scenario forked from there, so that hundreds of starts take seconds.
"""

import contextlib
import json
import os
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

FACTORY = "llama_stack.core.server.server:create_app"
SECONDS_TO_START = 60.0


def verify(config: str, _port: str) -> int:
    from distribution.launch.command_line import main

    return main(["verify", config, "--json"])


def entrypoint(config: str, port: str) -> int:
    from distribution.launch.command_line import main

    return main([config, "--port", port])


def operator(config: str, port: str) -> int:
    import uvicorn

    os.environ["LLAMA_STACK_CONFIG"] = config
    uvicorn.main([FACTORY, "--factory", "--host", "127.0.0.1", "--port", port], standalone_mode=True)
    return 0


LAUNCHES: dict[str, Callable[[str, str], int]] = {
    "verify": verify,
    "entrypoint": entrypoint,
    "operator": operator,
}


def run(launch: str, scenario: dict[str, Any]) -> dict[str, Any]:
    """Start one scenario, stop it if it serves, and say how it went."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        config = folder / "run.yaml"
        config.write_text(scenario["run.yaml"], encoding="utf-8")
        port = free_port()
        with (folder / "output").open("w+b") as output:
            child = os.fork()
            if child == 0:
                os.environ.update(scenario["environment"], SQLITE_STORE_DIR=f"{folder}/state")
                become(launch, str(config), str(port), output.fileno())
            served, code = wait(child, port)
            output.seek(0)
            return {"exit": code, "served": served, "output": output.read().decode()}


def become(launch: str, config: str, port: str, output: int) -> None:
    """Turn this process into the launcher; never returns."""
    os.dup2(output, 1)
    os.dup2(output, 2)
    code: Any = 1
    try:
        code = LAUNCHES[launch](config, port)
    except SystemExit as leaving:
        code = leaving.code or 0
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code if isinstance(code, int) else 1)


def wait(child: int, port: int) -> tuple[bool, int]:
    """Wait until the child ends or listens; then stop it."""
    served = False
    deadline = time.monotonic() + SECONDS_TO_START
    while time.monotonic() < deadline:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return served, os.waitstatus_to_exitcode(status)
        if not served and listens(port):
            served = True
            os.kill(child, signal.SIGTERM)
        time.sleep(0.02)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return served, -signal.SIGKILL


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def main() -> None:
    import uvicorn.supervisors.multiprocess
    from llama_stack.core.server import server  # noqa: F401

    from distribution.launch import verify_command  # noqa: F401 (imported once, for all)

    assert uvicorn.supervisors.multiprocess
    asked = json.load(sys.stdin)
    outcomes = {name: run(asked["launch"], scenario) for name, scenario in asked["scenarios"].items()}
    print(json.dumps(outcomes))


main()
