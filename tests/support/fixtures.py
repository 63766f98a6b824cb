"""The servers of this package and the built image as fixtures, one of each for a worker.

There is one for all workers of what is slow to make, and of engines: two would give out the same addresses.

A server whose parts are missing skips its tests and says which command installs them.
"""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

import pytest
from docker import DockerClient

from builder import paths
from tests.support import docker_engine as docker_engine_server
from tests.support import image, sharing
from tests.support import milvus as milvus_server
from tests.support import podman as podman_server
from tests.support import postgres as postgres_server
from tests.support import redis as redis_service
from tests.support import registry as registry_server
from tests.support import s3 as s3_service
from tests.support import vllm as vllm_server
from tests.support.docker_engine import DockerEngine
from tests.support.image import BuiltImage
from tests.support.milvus import Milvus
from tests.support.podman import Podman
from tests.support.postgres import Postgres
from tests.support.process import NotInstalled
from tests.support.redis import Redis
from tests.support.registry import Registry
from tests.support.s3 import S3Server
from tests.support.vllm import Vllm


@pytest.fixture(scope="session")
def for_all_workers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the workers of a run share; each has one of its own below it."""
    folder = tmp_path_factory.getbasetemp()
    folder = (folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder) / "for-all-workers"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def built(for_all_workers: Path) -> BuiltImage:
    """The image of this clone, built and verified without an engine."""
    return sharing.once(for_all_workers, "image", lambda: image.build(paths.ROOT, for_all_workers / "image.tar"))


@pytest.fixture(scope="session")
def vllm(for_all_workers: Path) -> Iterator[Vllm]:
    """vLLM with a chat model."""
    yield from _served(sharing.shared(for_all_workers, "vllm", vllm_server.serve))


@pytest.fixture(scope="session")
def vllm_embedding(for_all_workers: Path) -> Iterator[Vllm]:
    """vLLM with an embedding model."""
    yield from _served(sharing.shared(for_all_workers, "vllm-embedding", vllm_server.serve_embedding))


@pytest.fixture(scope="session")
def docker_engine(for_all_workers: Path) -> Iterator[DockerEngine]:
    """A Docker engine, for programs that take ``DOCKER_HOST``."""
    yield from _served(sharing.shared(for_all_workers, "docker", docker_engine_server.serve))


@pytest.fixture(scope="session")
def docker_client(docker_engine: DockerEngine) -> DockerClient:
    """A client of the Docker engine."""
    return docker_engine.client


@pytest.fixture(scope="session")
def podman(for_all_workers: Path) -> Iterator[Podman]:
    """Podman with storage of its own."""
    yield from _served(sharing.shared(for_all_workers, "podman", podman_server.serve))


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3Server]:
    """An S3 server that asks for credentials."""
    yield from _served(s3_service.serve())


@pytest.fixture(scope="session")
def milvus() -> Iterator[Milvus]:
    """A Milvus server."""
    yield from _served(milvus_server.serve())


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server."""
    yield from _served(postgres_server.serve())


@pytest.fixture(scope="session")
def redis_server() -> Iterator[Redis]:
    """A Redis server."""
    yield from _served(redis_service.serve())


@pytest.fixture(scope="session")
def registry() -> Iterator[Registry]:
    """A container registry without TLS, open to everybody."""
    yield from _served(registry_server.serve())


def _served[T](server: AbstractContextManager[T]) -> Iterator[T]:
    with ExitStack() as stack:
        try:
            started = stack.enter_context(server)
        except NotInstalled as missing:
            reason = str(missing)
        else:
            yield started
            return
    pytest.skip(reason)
