"""A directory with SQLite and a bucket with PostgreSQL, and a server for each."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from llama_stack.core.storage.datatypes import SqliteSqlStoreConfig
from llama_stack.providers.utils.sqlstore import sqlstore
from openai.resources.files import Files

from tests.integration.files.places import LocalPlace, Place, S3Place
from tests.integration.files.serving import Home
from tests.support.run_configs import postgres_sql, sqlite_sql
from tests.support.stack_server import StackServer

DISK = "disk and SQLite"
S3 = "S3 and PostgreSQL"
KINDS = [DISK, S3]

# No test uploads more than this, but those that mean to.
MAX_FILE_BYTES = 16 << 20


def make_home(kind: str, request: pytest.FixtureRequest, factory: pytest.TempPathFactory) -> Home:
    """An empty home of a kind."""
    directory = factory.mktemp("home")
    if kind == DISK:
        return Home(LocalPlace(directory / "contents"), directory, sqlite_sql(directory))
    server, postgres = request.getfixturevalue("s3_server"), request.getfixturevalue("postgres")
    return Home(S3Place(server), directory, postgres_sql(postgres.new_database()))


@pytest.fixture(scope="package", params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """Where contents and rows are."""
    return str(request.param)


@pytest.fixture(scope="package")
def shared_home(kind: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """The home of the server that tests share."""
    return make_home(kind, request, tmp_path_factory)


@pytest.fixture
def home(kind: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """An empty home for one test."""
    return make_home(kind, request, tmp_path_factory)


@pytest.fixture
def registered_backend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a SQL backend that providers made in this process can use, as if a run config had it."""
    backends = {"sql_default": SqliteSqlStoreConfig(db_path=str(tmp_path / "sql.db"))}
    monkeypatch.setattr(sqlstore, "_SQLSTORE_BACKENDS", backends)
    return "sql_default"


@pytest.fixture(scope="package")
def stack(shared_home: Home) -> Iterator[StackServer]:
    """A server that tests share; they remove what they upload."""
    with shared_home.serve(max_file_bytes=MAX_FILE_BYTES) as server:
        yield server


@pytest.fixture(scope="package")
def place(shared_home: Home) -> Place:
    """Where the shared server keeps contents."""
    return shared_home.place


@pytest.fixture(scope="package")
def files(stack: StackServer) -> Files:
    """The files of the shared server, as OpenAI's client sees them."""
    return stack.openai.files
