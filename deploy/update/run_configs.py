"""The default run config in the chart's values, and those of other deployments made from it."""

import textwrap
from collections.abc import Mapping
from copy import deepcopy
from typing import Any

import yaml

MARKER = "# The default is the repository's run.yaml, by `python -m deploy.update`; change that file.\n"


def in_values(values: str, run_config: str) -> str:
    """Return the chart's values with the run config, comments and all, below `runConfig:` at their end."""
    before, marker, _ = values.partition(MARKER)
    if not marker:
        raise ValueError(f"values.yaml has lost the line {MARKER!r}")
    return f"{before}{MARKER}runConfig:\n{textwrap.indent(run_config, '  ')}"


def with_profile(run_config: str, profile: str) -> str:
    """Return the run config as the chart makes it of a profile's values."""
    config = overlaid(yaml.safe_load(run_config), yaml.safe_load(profile)["runConfig"])
    return "# Made from run.yaml and values-scaleout.yaml by `python -m deploy.update`.\n" + yaml.safe_dump(
        config, sort_keys=False
    )


def overlaid(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Lay one map over another as Helm does with values: key by key, and null takes a key away."""
    result = deepcopy(dict(below))
    for key, value in above.items():
        if isinstance(value, Mapping) and isinstance(result.get(key), Mapping):
            result[key] = overlaid(result[key], value)
        elif value is None:
            result.pop(key, None)
        else:
            result[key] = deepcopy(value)
    return result
