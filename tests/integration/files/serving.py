"""Servers with a provider of files."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.integration.files.places import Place
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
