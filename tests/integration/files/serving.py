"""Servers with a provider of files."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg2

from tests.integration.files.places import Place
from tests.support.postgres import Postgres
from tests.support.run_configs import run_config
from tests.support.stack_server import StackServer, serve


@dataclass(frozen=True)
class Home:
    """Where the state of a provider lies; any number of servers can use it, one after another or together."""

    place: Place
    directory: Path
    sql_backend: Mapping[str, Any]
    table: str = "files_metadata"

    def serve(
        self,
        *,
        provider_type: str | None = None,
        table: str | None = None,
        env: Mapping[str, str] | None = None,
        server: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> AbstractContextManager[StackServer]:
        """Serve the files with these ``options`` of the provider, and ``server`` of the run config."""
        provider = {
            "provider_id": "files",
            "provider_type": provider_type or self.place.provider_type,
            "config": {
                **self.place.config,
                "metadata_store": {"backend": "sql_default", "table_name": table or self.table},
                **options,
            },
        }
        config = run_config(self.directory, {"files": [provider]}, server=dict(server or {}))
        config["storage"]["backends"]["sql_default"] = dict(self.sql_backend)
        return serve(config, env)


def sqlite_sql(directory: Path) -> dict[str, Any]:
    """A SQL backend in a SQLite file."""
    return {"type": "sql_sqlite", "db_path": str(directory / "sql.db")}


def postgres_sql(server: Postgres) -> dict[str, Any]:
    """A SQL backend in a new database of a PostgreSQL server."""
    database = f"files_{uuid4().hex}"
    connection = psycopg2.connect(server.url)
    connection.autocommit = True
    connection.cursor().execute(f"CREATE DATABASE {database}")
    connection.close()
    return {
        "type": "sql_postgres",
        "host": server.host,
        "port": server.port,
        "db": database,
        "user": server.user,
        "password": server.password,
    }
