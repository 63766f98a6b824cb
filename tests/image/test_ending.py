"""SIGTERM in every phase of a build, as a cancelled CI job gets it: nothing is left, and the next build goes on."""

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from socket import create_server

from builder import paths
from tests.support import clones, image, session
from tests.support.docker_engine import DockerEngine
from tests.support.image import TAG, BuiltImage
from tests.support.process import LOOPBACK

BUILD = (sys.executable, "build.py", "--tag", TAG, "--no-load")
ENDED = "llama-stack-ended:1"
"""A name of its own: other tests load the same image into the same engine."""


def _end(build: subprocess.Popen[str], clone: Path, moment: Callable[[], object]) -> None:
    """Tell a build to end at a moment, and see that nothing of it is left."""
    session.wait_for(build, moment)
    build.send_signal(signal.SIGTERM)
    _, said = build.communicate(timeout=60)
    assert build.returncode == 143, said
    assert "told to end" in said
    assert "Traceback" not in said
    assert session.left(build) == []
    assert _half_written(clone) == []


def _half_written(clone: Path) -> list[Path]:
    drafts = [path for name in ("stages", "blobs/sha256", "downloads") for path in clone.glob(f"build/{name}/*.part")]
    return [*drafts, *clone.glob("build/.*.part"), *clone.glob("build/locks/*.draft"), *clone.glob("dist/*")]


@contextmanager
def _server_that_never_answers() -> Iterator[str]:
    with create_server((LOOPBACK, 0)) as listening:
        yield f"http://{LOOPBACK}:{listening.getsockname()[1]}"


def test_a_build_ends_in_every_phase_and_the_next_one_goes_on(built: BuiltImage, tmp_path: Path) -> None:
    clone = clones.copy(tmp_path / "clone", history=True, environment=True)
    (clone / "build").mkdir()

    def run(*options: str, **environment: str) -> subprocess.Popen[str]:
        return session.start([*BUILD, *options], clone, environment)

    def runs(part: str, leader: subprocess.Popen[str]) -> bool:
        return any(part in command for command in session.commands(leader))

    resolving = run("--with", "vector_io=inline::milvus")
    _end(resolving, clone, lambda: runs("uv pip compile", resolving))

    with _server_that_never_answers() as address:
        fetching = run(DEBIAN_MIRROR=f"{address}/debian")
        _end(fetching, clone, lambda: _has_connection(fetching, address))

    (clone / "build" / "downloads").symlink_to(paths.DOWNLOADS)
    staging = run()
    _end(staging, clone, lambda: runs("uv pip install", staging))

    with _server_that_never_answers() as address:
        nothing = {"UV_INDEX_URL": f"{address}/simple", "UV_CACHE_DIR": str(tmp_path / "cache")}
        downloading = run(**nothing)
        _end(downloading, clone, lambda: _has_connection(downloading, address))

    compiling = run()
    _end(compiling, clone, lambda: runs("py_compile", compiling) and list(clone.glob("build/stages/.*/usr/local/lib")))

    packing = run()
    _end(packing, clone, lambda: list(clone.glob("build/blobs/sha256/.*.part")))

    verifying = run()
    _end(verifying, clone, lambda: runs("distribution --port", verifying))

    again = image.build(clone, clone / "again.tar")
    assert again.digest == built.digest


def test_no_container_is_left(built: BuiltImage, docker_engine: DockerEngine, tmp_path: Path) -> None:
    clone = clones.copy(tmp_path / "clone", history=True, environment=True)
    (clone / "build").mkdir()
    for name in ("stages", "blobs", "downloads"):
        (clone / "build" / name).symlink_to(paths.BUILD / name)
    api = docker_engine.client.api
    before = {container["Id"] for container in api.containers(all=True)}

    def new(state: str | None = None) -> list[str]:
        found = [container for container in api.containers(all=True) if container["Id"] not in before]
        return [container["Id"] for container in found if state in (None, container["State"])]

    for moment in (new, lambda: new("running")):
        words = [sys.executable, "build.py", "--tag", ENDED, "--output", "dist/image.tar"]
        build = session.start(words, clone, {"DOCKER_HOST": docker_engine.host})
        _end(build, clone, moment)
        assert new() == []
        assert not docker_engine.client.images.list(ENDED), "an image that was not verified"

    again = image.build(clone, clone / "again.tar", environment={"DOCKER_HOST": docker_engine.host}, load=True)
    assert again.digest == built.digest
    assert new() == []


def _has_connection(leader: subprocess.Popen[str], address: str) -> bool:
    """Whether the server has been connected to by anybody: it says nothing, so that is when they wait."""
    port = f"{int(address.rpartition(':')[2]):04X}"
    lines = Path(f"/proc/{leader.pid}/net/tcp").read_text().splitlines()[1:]
    return any(line.split()[2].endswith(f":{port}") and line.split()[3] == "01" for line in lines)
