"""Import hooks that put this distribution's changes on llama-stack, whoever starts it.

A line in a .pth file of the site directory imports this module whenever Python starts, so it imports nothing
else: programs that never import llama-stack or uvicorn pay for one entry in sys.meta_path.
"""

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

CHANGED_PACKAGES = ("llama_stack", "uvicorn")


class Finder:
    """Finds modules as everybody else does, and has the loader of a changed one make the changes afterwards."""

    def find_spec(self, name: str, path: "Any" = None, target: "Any" = None) -> "Any":
        """Return a changed module's own spec with a wrapped loader, or None for all other modules."""
        if name.partition(".")[0] not in CHANGED_PACKAGES:
            return None
        from importlib import import_module  # not at the top: hardly any program gets here

        declaration = import_module("distribution.overlay.declaration")
        if name not in declaration.changed_modules():
            return None
        for finder in sys.meta_path:
            spec = None if finder is self else finder.find_spec(name, path, target)
            if spec is not None:
                if spec.loader is not None:
                    _call_after(spec.loader, declaration.apply)
                return spec
        return None


def _call_after(loader: "Any", apply: "Any") -> None:
    execute = loader.exec_module

    def execute_then_change(module: "Any") -> None:
        execute(module)
        apply(module)

    loader.exec_module = execute_then_change


if not any(isinstance(finder, Finder) for finder in sys.meta_path):
    sys.meta_path.insert(0, Finder())
