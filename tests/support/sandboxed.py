"""Serve the image under test without an engine."""

import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from builder import payload, sandbox
from tests.support.image import BuiltImage
from tests.support.process import LOOPBACK, Program, answers, free_port


@contextmanager
def serving(built: BuiltImage, environment: Mapping[str, str], data: Path, *arguments: str) -> Iterator[str]:
    """The image's server until the block ends; yields its address. State and log are in `data`."""
    port = free_port()
    command = built.command([*payload.ENTRYPOINT, "--port", str(port), *arguments], environment, data)
    log = data / "server.log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        try:
            url = f"http://{LOOPBACK}:{port}"
            Program(command, process, log).wait_until(lambda: answers(f"{url}/v1/health"), timeout=120)
            yield url
        finally:
            sandbox.stop(process)
