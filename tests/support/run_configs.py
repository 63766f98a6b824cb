"""Run configs for the tests."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.support.postgres import Postgres
from tests.support.redis import Redis

Providers = Mapping[str, Sequence[Mapping[str, Any]]]


def run_config(
    directory: Path,
    providers: Providers,
    *,
    kv_backend: Mapping[str, Any] | None = None,
    sql_backend: Mapping[str, Any] | None = None,
    **more: Any,
) -> dict[str, Any]:
    """A run config that serves these providers, by API.

    State lies in SQLite files in ``directory`` unless other backends are given; they are called ``kv_default`` and
    ``sql_default``. ``more`` are further keys of the run config.
    """
    return {
        "version": 2,
        "image_name": "test",
        "apis": sorted(providers),
        "providers": {api: list(entries) for api, entries in providers.items()},
        "storage": {
            "backends": {
                "kv_default": dict(kv_backend or sqlite_kv(directory)),
                "sql_default": dict(sql_backend or sqlite_sql(directory)),
            },
            "stores": {
                "metadata": {"backend": "kv_default", "namespace": "registry"},
                "inference": {"backend": "sql_default", "table_name": "inference_store"},
                "conversations": {"backend": "sql_default", "table_name": "openai_conversations"},
            },
        },
        **more,
    }


def sqlite_kv(directory: Path) -> dict[str, Any]:
    """A key-value backend in a SQLite file."""
    return {"type": "kv_sqlite", "db_path": str(directory / "kv.db")}


def sqlite_sql(directory: Path) -> dict[str, Any]:
    """An SQL backend in a SQLite file."""
    return {"type": "sql_sqlite", "db_path": str(directory / "sql.db")}


def postgres_kv(server: Postgres, table: str) -> dict[str, Any]:
    """A key-value backend in a table of a PostgreSQL server."""
    return {**postgres_sql(server), "type": "kv_postgres", "table_name": table}


def postgres_sql(server: Postgres) -> dict[str, Any]:
    """An SQL backend in a PostgreSQL server."""
    return {
        "type": "sql_postgres",
        "host": server.host,
        "port": server.port,
        "db": server.database,
        "user": server.user,
        "password": server.password,
    }


def redis_kv(server: Redis) -> dict[str, Any]:
    """A key-value backend in a Redis server."""
    return {"type": "kv_redis", "host": server.host, "port": server.port}


PROMPTS = {
    "provider_id": "prompts",
    "provider_type": "inline::prompts",
    "config": {"persistence": {"backend": "kv_default", "namespace": "prompts"}},
}
AGENTS = {
    "provider_id": "meta-reference",
    "provider_type": "inline::meta-reference",
    "config": {
        "persistence": {
            "agent_state": {"backend": "kv_default", "namespace": "agents"},
            "responses": {"backend": "sql_default", "table_name": "responses"},
        }
    },
}
FAISS = {
    "provider_id": "faiss",
    "provider_type": "inline::faiss",
    "config": {"persistence": {"backend": "kv_default", "namespace": "vector_io::faiss"}},
}


def local_files(directory: Path) -> dict[str, Any]:
    """Files in a directory."""
    return {
        "provider_id": "files",
        "provider_type": "inline::files",
        "config": {
            "storage_dir": str(directory / "files"),
            "metadata_store": {"backend": "sql_default", "table_name": "files_metadata"},
        },
    }


def vllm_provider(provider_id: str, url: str, **config: Any) -> dict[str, Any]:
    """A provider of a vLLM server."""
    return {"provider_id": provider_id, "provider_type": "remote::vllm", "config": {"url": url, **config}}
