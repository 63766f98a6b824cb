"""Provider types are read from registries' code."""

from typing import Any

import pytest
from llama_stack.core.distribution import get_provider_registry

from maintenance import releases
from maintenance.registries import provider_types
from tests.unit.maintenance.conftest import MakeSources

SHARED = "packages = ['aiosqlite', 'redis']\ndef stores():\n    return ['psycopg2-binary']\n"
REGISTRY = """
from llama_stack.shared import packages, stores
DEFAULTS = dict(api=Api.vector_io, pip_packages=["numpy"], module="llama_stack.own")

def available_providers():
    return [
        InlineProviderSpec(**{**DEFAULTS, "provider_type": "inline::own"}),
        RemoteProviderSpec(
            api=Api.vector_io, provider_type="remote::own", description="Whatever.", module="llama_stack.remote",
            pip_packages=%s,
        ),
    ]
"""


@pytest.mark.parametrize(
    ("expression", "packages"),
    [
        ("['boto3']", ("boto3",)),
        ("packages", ("aiosqlite", "redis")),
        ("['boto3'] + packages", ("boto3", "aiosqlite", "redis")),
        ("['boto3', *stores()]", ("boto3", "psycopg2-binary")),
        ("cast(list[str], DEFAULTS['pip_packages']) + ['torch --no-deps']", ("numpy", "torch --no-deps")),
        ("sorted(set(packages))", "sorted(set(packages))"),
    ],
)
def test_packages_are_read(make_sources: MakeSources, expression: str, packages: Any) -> None:
    sources = make_sources(
        {"llama_stack.shared": SHARED, "llama_stack.providers.registry.vector_io": REGISTRY % expression}
    )
    assert provider_types(sources) == {
        "vector_io=inline::own": {"pip_packages": ("numpy",), "module": "llama_stack.own"},
        "vector_io=remote::own": {"module": "llama_stack.remote", "pip_packages": packages},
    }


def test_a_release_without_registries_has_no_provider_types(make_sources: MakeSources) -> None:
    assert provider_types(make_sources({"llama_stack.core": ""})) == {}


def test_the_installed_registries_are_read_as_upstream_has_them() -> None:
    upstream = {
        f"{api.value}={spec.provider_type}": (spec.module, spec.config_class, tuple(spec.pip_packages))
        for api, types in get_provider_registry().items()
        for spec in types.values()
        if str(spec.module).startswith("llama_stack.")
    }
    read = provider_types(releases.installed()[1])
    assert upstream.keys() <= read.keys()
    for name, expected in upstream.items():
        assert (read[name]["module"], read[name]["config_class"], read[name]["pip_packages"]) == expected, name
