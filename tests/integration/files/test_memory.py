"""A large file goes up and down without being held in memory, in the process or in a tmpfs."""

import hashlib
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.integration.files.serving import Home
from tests.integration.files.usage import Usage
from tests.support.process import scratch
from tests.support.stack_server import StackServer

LARGE, VERY_LARGE = 256 << 20, 2_000_000_000  # bytes
ALLOWED_GROWTH = 64_000_000
MEMORY_FILE_SYSTEM = Path("/dev/shm")
NO_TIMEOUT = httpx.Timeout(None)


@contextmanager
def growth(usage: Usage, what: str) -> Iterator[None]:
    """Fail if the block takes more memory than is allowed."""
    before = usage.reset()
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.02):
            usage.look_at_files()

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()
    grown = usage.peak() - before
    print(f"{what}: memory +{grown} bytes, temporary files {usage.files} bytes")
    assert grown + usage.files < ALLOWED_GROWTH


@pytest.fixture
def large_file(tmp_path: Path, long: bool) -> Path:
    """Bytes that do not compress."""
    path, size = tmp_path / "large", VERY_LARGE if long else LARGE
    block = random.Random(0).randbytes(1 << 20)
    with path.open("wb") as file:
        for number in range(0, size, len(block)):
            file.write((number.to_bytes(8) + block[8:])[: size - number])
    return path


def test_memory_does_not_grow_with_the_file(home: Home, kind: str, large_file: Path) -> None:
    with scratch("large") as directory:
        temporary = MEMORY_FILE_SYSTEM / directory.name if MEMORY_FILE_SYSTEM.is_dir() else directory
        temporary.mkdir(exist_ok=True)
        try:
            with home.serve(env={"TMPDIR": str(temporary)}) as server:
                usage = Usage(server.program.process.pid, temporary)
                server.openai.files.create(file=("first", bytes(6 << 20)), purpose="assistants")
                with growth(usage, f"{kind}, up"):
                    file_id = _upload(server, large_file)
                with growth(usage, f"{kind}, down"):
                    digest = _download(server, file_id)
        finally:
            temporary.rmdir()
    with large_file.open("rb") as file:
        assert digest == hashlib.file_digest(file, "sha256").hexdigest()


def _upload(server: StackServer, path: Path) -> str:
    with path.open("rb") as file:
        response = httpx.post(
            f"{server.url}/v1/files", files={"file": file}, data={"purpose": "assistants"}, timeout=NO_TIMEOUT
        )
    return str(response.json()["id"])


def _download(server: StackServer, file_id: str) -> str:
    digest = hashlib.sha256()
    with httpx.stream("GET", f"{server.url}/v1/files/{file_id}/content", timeout=NO_TIMEOUT) as response:
        for block in response.iter_bytes(1 << 20):
            digest.update(block)
    return digest.hexdigest()
