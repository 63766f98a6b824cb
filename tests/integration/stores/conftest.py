"""A database of each kind, with a table of texts."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from providers.stores.database import Database, DatabaseConfig, open_database
from tests.integration.stores.texts import postgres_config, sqlite_config
from tests.support.postgres import Postgres


@pytest.fixture(params=["sqlite", "postgres"])
def config(request: pytest.FixtureRequest, tmp_path: Path) -> DatabaseConfig:
    """Where an empty database is."""
    if request.param == "sqlite":
        return sqlite_config(tmp_path / "texts.db")
    server: Postgres = request.getfixturevalue("postgres")
    return postgres_config(server.new_database())


@pytest.fixture
def database(config: DatabaseConfig) -> Iterator[Database]:
    """The database, closed afterwards."""
    database = open_database(config)
    yield database
    database.close_now()
