"""What llama-stack 0.3.3 has: APIs, provider types, config models."""

import ast
import importlib
import importlib.metadata
import inspect
import textwrap
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from llama_stack.apis.datatypes import Api
from llama_stack.core import distribution as upstream_distribution
from llama_stack.core import stack as upstream_stack
from llama_stack.core.datatypes import StackRunConfig
from llama_stack.core.storage.datatypes import KVStoreReference, SqlStoreReference, StorageBackendType
from llama_stack.core.utils.config_resolution import resolve_config_or_distro
from llama_stack.providers.datatypes import ProviderSpec, RemoteProviderSpec

from distribution.shipped import shipped_providers

RunConfig = StackRunConfig
Spec = ProviderSpec
KeyValueReference = KVStoreReference
SqlReference = SqlStoreReference

ALL_APIS: tuple[str, ...] = tuple(api.value for api in Api)

# API that routes to several providers -> API of the things it routes by (inference -> models).
ROUTED_APIS: dict[str, str] = {
    info.router_api.value: info.routing_table_api.value
    for info in upstream_distribution.builtin_automatically_routed_apis()
}

# registered_resources.X -> (the API whose providers serve it, the field of its id)
RESOURCES: dict[str, tuple[str, str]] = {
    "models": ("inference", "model_id"),
    "shields": ("safety", "shield_id"),
    "datasets": ("datasetio", "dataset_id"),
    "scoring_fns": ("scoring", "scoring_fn_id"),
    "benchmarks": ("eval", "benchmark_id"),
    "tool_groups": ("tool_runtime", "toolgroup_id"),
}

# Stores without which llama-stack does not start, whatever is configured.
REQUIRED_STORES = ("metadata", "conversations")

BACKEND_TYPES: tuple[str, ...] = tuple(kind.value for kind in StorageBackendType)
BACKEND_DRIVERS = {
    "kv_redis": "redis",
    "kv_sqlite": "aiosqlite",
    "kv_postgres": "psycopg2",
    "kv_mongodb": "pymongo",
    "sql_sqlite": "aiosqlite",
    "sql_postgres": "asyncpg",
}

# Provider configs that name a place on disk: (type, field) -> whether it is a directory.
PROVIDER_PLACES: dict[tuple[str, str], bool] = {
    ("inline::localfs", "storage_dir"): True,
    ("inline::sqlite-vec", "db_path"): False,
    ("inline::sqlite_vec", "db_path"): False,
    ("inline::milvus", "db_path"): False,
    ("inline::qdrant", "path"): False,
}
# Fields whose models have a default with which the provider does not start.
NEEDED_FIELDS = (("remote::pgvector", "persistence"), ("remote::vllm", "url"))
# State that one process keeps to itself.
SINGLE_WORKER_TYPES = ("inline::faiss", "inline::meta-reference", "inline::sqlite-vec", "inline::localfs")

FACTORIES = ("get_adapter_impl", "get_provider_impl")


@cache
def registry() -> dict[str, dict[str, ProviderSpec]]:
    """Return every provider type that llama-stack and this distribution know, by API."""
    found = upstream_distribution.get_provider_registry()
    return {api.value: dict(types) for api, types in found.items()}


@cache
def shipped_types(api: str) -> tuple[str, ...]:
    """Return the provider types of an API that this image ships."""
    return tuple(provider.provider_type for provider in shipped_providers() if provider.api == api)


def external_specs(package: str) -> list[ProviderSpec]:
    """Return what an external provider's package offers. Raises whatever importing it raises."""
    specs = importlib.import_module(f"{package}.provider").get_provider_spec()
    return specs if isinstance(specs, list) else [specs]


def internal_apis() -> set[str]:
    """Return the APIs that llama-stack serves by itself and that cannot have providers."""
    return {api.value for api in upstream_distribution.INTERNAL_APIS if not registry().get(api.value)}


def import_implementation(spec: ProviderSpec) -> type[Any]:
    """Import all the code that the server would import for a provider and return its config class.

    Raises whatever the import raises. Upstream's factories import the implementation when they are called, so
    the imports inside them are carried out here too.
    """
    module = importlib.import_module(str(spec.module))
    factory = "get_adapter_impl" if isinstance(spec, RemoteProviderSpec) else "get_provider_impl"
    if not hasattr(module, factory):
        raise ImportError(f"{spec.module} has no {factory}()")
    config_module, _, name = spec.config_class.rpartition(".")
    config_class: type[Any] = getattr(importlib.import_module(config_module), name)
    for inner in _modules_of_factories(module):
        importlib.import_module(inner, module.__name__)
    return config_class


def _modules_of_factories(module: ModuleType) -> Iterator[str]:
    for name in FACTORIES:
        factory = getattr(module, name, None)
        if not inspect.isfunction(factory) or factory.__module__ != module.__name__:
            continue
        try:
            source = inspect.getsource(factory)
        except (OSError, TypeError):
            continue
        for statement in ast.walk(ast.parse(textwrap.dedent(source))):
            if isinstance(statement, ast.ImportFrom) and statement.module:
                yield "." * statement.level + statement.module


def distribution_config(name: str) -> Path | None:
    """Return the run config of one of llama-stack's own distributions, as in `llama stack run starter`."""
    try:
        return resolve_config_or_distro(name)
    except (
        ValueError,
        OSError,
    ):  # the latter where nothing has been built: upstream lists a directory that is not there
        return None


def ignored_top_level_keys() -> dict[str, str]:
    """Return the top-level keys that upstream documents without reading them, and what to write."""
    return {"logging": "logging_config"}


def resources_skipped_without_provider() -> set[str]:
    """Return the resources which upstream passes over when they name no provider."""
    registered = {name for name, *_ in upstream_stack.RESOURCES}
    return registered - {"datasets", "tool_groups"}
