"""Print, as YAML, the packages that every provider type asks for: llama-stack's own types and this distribution's.

`build.py lock` runs `python -m providers.registry` with an interpreter that has the pinned llama-stack and none of
the providers' packages: registry modules only describe providers and import none of them.
"""

import sys
from typing import Any

import yaml
from llama_stack.core.distribution import get_provider_registry

from providers.registry import added_providers

OPTIONS_WITH_VALUE = {"--index-url", "--extra-index-url"}


def requirements(pip_packages: list[str]) -> list[str]:
    """Plain requirements. Some entries are whole pip command lines (`torch --index-url ...`): their options
    are dropped, because the indexes to use are the user's to configure.
    """
    found = set()
    for entry in pip_packages:
        words = iter(entry.split())
        for word in words:
            if word in OPTIONS_WITH_VALUE:
                next(words, None)
            elif not word.startswith("--"):
                found.add(word)
    return sorted(found)


def packages_by_type() -> dict[str, dict[str, dict[str, Any]]]:
    """API -> provider type -> description, everything sorted."""
    specs = [spec for types in get_provider_registry().values() for spec in types.values()]
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for spec in [*specs, *added_providers()]:  # ours last: they replace upstream's of the same type
        found.setdefault(spec.api.value, {})[spec.provider_type] = {"pip_packages": requirements(spec.pip_packages)}
    return {api: dict(sorted(types.items())) for api, types in sorted(found.items())}


if __name__ == "__main__":
    sys.stdout.write("# Written by `build.py lock` from the registries of llama-stack and of providers/registry/.\n")
    yaml.safe_dump(packages_by_type(), sys.stdout, sort_keys=False, width=110)
