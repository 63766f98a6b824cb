"""The run config as llama-stack reads it."""

from pathlib import Path

from llama_stack.core.datatypes import StackRunConfig as RunConfig
from llama_stack.core.utils.config_resolution import resolve_config_or_distro

__all__ = ["IGNORED_TOP_LEVEL_KEYS", "RunConfig", "distribution_config"]

IGNORED_TOP_LEVEL_KEYS = {"logging": "logging_config"}
"""Top-level keys that upstream documents and does not read -> what to write."""


def distribution_config(name: str) -> Path | None:
    """Return the run config of one of llama-stack's own distributions, as in `llama stack run starter`."""
    try:
        return resolve_config_or_distro(name)
    # An OSError comes where nothing has been built: upstream lists a directory that is not there.
    except (ValueError, OSError):
        return None
