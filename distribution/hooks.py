"""Import hooks that put this distribution's changes on llama-stack, whoever starts it.

A line in a .pth file of the site directory imports this module whenever Python starts, so it imports nothing
else: programs that never import llama-stack or uvicorn pay for one entry in sys.meta_path.
"""

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType
    from typing import Any

    Run = Callable[[ModuleType], None]

CHANGED_PACKAGES = ("llama_stack", "uvicorn")
DEFERRED_PACKAGES = ("mcp", "openai")
"""What llama-stack imports whole and uses a little of; left alone in programs without llama-stack."""


class Finder:
    """Finds modules as everybody else does, and sees to it that some are run otherwise."""

    def find_spec(self, name: str, path: "Any" = None, target: "Any" = None) -> "Any":
        """Return the own spec of a module that is changed or put off, with a wrapped loader; None for all others."""
        package = name.partition(".")[0]
        if package not in CHANGED_PACKAGES and not (package in DEFERRED_PACKAGES and "llama_stack" in sys.modules):
            return None
        from importlib import import_module  # not at the top: hardly any program gets here

        deferral = import_module("distribution.deferral")
        is_changed = package in CHANGED_PACKAGES and name in _declaration().changed_modules()
        if not (is_changed or deferral.is_put_off(name, is_package=True)):
            return None
        for finder in sys.meta_path:
            spec = None if finder is self else finder.find_spec(name, path, target)
            if spec is not None:
                if deferral.is_put_off(name, is_package=spec.submodule_search_locations is not None):
                    _run_with(spec.loader, deferral.execute)
                if is_changed and spec.loader is not None:
                    _run_with(spec.loader, _execute_then_change)
                return spec
        return None


def _run_with(loader: "Any", way: "Callable[[ModuleType, Run], None]") -> None:
    execute = loader.exec_module
    loader.exec_module = lambda module: way(module, execute)


def _execute_then_change(module: "ModuleType", execute: "Run") -> None:
    execute(module)
    _declaration().apply(module)


def _declaration() -> "Any":
    from importlib import import_module

    return import_module("distribution.overlay.declaration")


if not any(isinstance(finder, Finder) for finder in sys.meta_path):
    sys.meta_path.insert(0, Finder())
