"""`build.py run` serves what was built, and leaves nothing behind when it is told to end."""

import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from builder import engine, tags
from tests.support import clones
from tests.support.image import TAG, BuiltImage
from tests.support.process import LOOPBACK, Program, answers, free_port, hear_interrupts


@pytest.fixture(scope="module")
def clone(built: BuiltImage, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of this clone that has built the image."""
    if engine.find():
        pytest.skip("an engine answers here, and would serve the image")
    copy = clones.copy(tmp_path_factory.mktemp("run") / "clone", environment=True)
    (copy / "dist").mkdir()
    (copy / "dist" / tags.parse(TAG).file_name).symlink_to(built.archive)
    return copy


@pytest.mark.parametrize("told", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_until_it_is_told_to_end(clone: Path, tmp_path: Path, told: signal.Signals) -> None:
    port, log = free_port(), tmp_path / "log"
    command = [sys.executable, "build.py", "run", "--tag", TAG, "--port", str(port)]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=clone,
            stdout=output,
            stderr=output,
            preexec_fn=hear_interrupts,
        )
        Program(command, process, log).wait_until(lambda: answers(f"http://{LOOPBACK}:{port}/v1/health"), timeout=120)
        process.send_signal(told)
        assert process.wait(30) == 128 + told
    with socket.socket() as again:
        again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        again.bind((LOOPBACK, port))
    assert list((clone / "build" / "data").iterdir())
