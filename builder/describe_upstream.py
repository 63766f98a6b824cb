"""Print, as YAML, the packages that every provider type in llama-stack's own registries asks for.

`build.py lock` runs this file with an interpreter that has the pinned llama-stack and none of the
providers' packages: upstream's registry modules only describe providers and import none of them.
"""

import sys
from typing import Any

import yaml
from llama_stack.core.distribution import get_provider_registry

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


def catalogue() -> dict[str, dict[str, dict[str, Any]]]:
    """API -> provider type -> description, everything sorted."""
    registry = get_provider_registry()
    return {
        api.value: {
            provider_type: {"pip_packages": requirements(spec.pip_packages)}
            for provider_type, spec in sorted(types.items())
        }
        for api, types in sorted(registry.items(), key=lambda item: item[0].value)
    }


if __name__ == "__main__":
    sys.stdout.write("# Written by `build.py lock` from llama-stack's own provider registries.\n")
    yaml.safe_dump(catalogue(), sys.stdout, sort_keys=False, width=110)
