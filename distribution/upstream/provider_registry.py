"""Provider types: the registry, and the code behind each type."""

import ast
import importlib
import inspect
import textwrap
from collections.abc import Iterator
from functools import cache
from types import ModuleType
from typing import Any

from llama_stack.core import distribution as upstream_distribution
from llama_stack.providers.datatypes import ProviderSpec, RemoteProviderSpec

from distribution.upstream.shipped import shipped_providers

__all__ = ["ProviderSpec", "external_specs", "import_implementation", "registry", "shipped_types"]

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
