"""Key-value backends of each kind, and servers on them."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.integration.prompts.prompts_api import Prompts
from tests.support.run_configs import PROMPTS, postgres_kv, redis_kv, run_config, sqlite_kv
from tests.support.stack_server import StackServer, serve

Backend = dict[str, Any]
Serve = Callable[..., AbstractContextManager[StackServer]]


@pytest.fixture(scope="package", params=["sqlite", "postgres", "redis"])
def backend(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Backend:
    """An empty key-value backend."""
    match request.param:
        case "sqlite":
            return sqlite_kv(tmp_path_factory.mktemp("prompts"))
        case "postgres":
            return postgres_kv(request.getfixturevalue("postgres"), f"kv_{uuid4().hex}")
        case _:
            return redis_kv(request.getfixturevalue("redis_server"))


@pytest.fixture(scope="package")
def serve_prompts(backend: Backend, tmp_path_factory: pytest.TempPathFactory) -> Serve:
    """Serve with all key-value state in the backend; without a provider, the built-in service has the prompts."""

    def start(providers: tuple[dict[str, Any], ...] = (PROMPTS,)) -> AbstractContextManager[StackServer]:
        prompts = {"prompts": providers} if providers else {}
        directory: Path = tmp_path_factory.mktemp("state")
        # Each conflict would be a traceback in the log, and rendering those takes longer than all the rest.
        logging = {"category_levels": {"core": "warning"}}
        apis = {"inference": [], **prompts}
        return serve(run_config(directory, apis, kv_backend=backend, logging_config=logging))

    return start


@pytest.fixture(scope="package")
def stack(serve_prompts: Serve) -> Iterator[StackServer]:
    """A server with the prompts in the backend."""
    with serve_prompts() as server:
        yield server


@pytest.fixture(scope="package")
def prompts(stack: StackServer) -> Prompts:
    """The prompts of that server."""
    return Prompts(stack.client)
