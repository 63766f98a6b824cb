"""The version of llama-stack, as the installed package has it."""

from functools import cache
from importlib.metadata import version


@cache
def llama_stack() -> str:
    """Return the version, for messages."""
    return version("llama-stack")
