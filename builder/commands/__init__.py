"""The commands of build.py, one a file. Each file holds a command's options, registers it, and calls the work.

Reading a command line must be quick, so these files import the work where they call it, and not before.
"""

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from builder.arguments import Parser

_registered: dict[str, "Command"] = {}


@dataclass(frozen=True, kw_only=True)
class Command:
    """One command of build.py."""

    name: str
    """The word after build.py."""
    summary: str
    """One line for the list of commands."""
    description: str
    """What its own --help says first."""
    add_arguments: Callable[[Parser], None]
    """Adds the command's arguments to its parser. Each fills the field of `options` that has its name."""
    options: type[Any]
    """A dataclass, made from what the parser has read."""
    run: Callable[[Any], int]
    """Does what the options ask for and returns the exit code. May raise KitError."""
    epilog: str = ""
    """What its own --help says last."""


def register(command: Command) -> None:
    """Make a command known to the command line."""
    _registered[command.name] = command


def load() -> dict[str, Command]:
    """Every command by its name, in alphabetical order."""
    for module in sorted(module.name for module in pkgutil.iter_modules(__path__)):
        importlib.import_module(f"{__name__}.{module}")
    return dict(sorted(_registered.items()))
