"""Import hooks that put this distribution's changes on llama-stack, whoever starts it.

A line in a .pth file of the site directory imports this module whenever Python starts, so it imports nothing
else: programs that never import llama-stack pay for one entry in sys.meta_path.
"""

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# Module -> the function of distribution.overlay.changes that is called with it once it has been imported.
HOOKED = {
    "llama_stack.core.distribution": "change_registry",
    "llama_stack.core.providers": "change_health",
    "llama_stack.core.stack": "change_stack",
    "llama_stack.core.server.server": "change_server",
    "llama_stack.cli.stack.run": "change_command_line",
    "uvicorn.config": "change_uvicorn_config",
    "uvicorn.supervisors.multiprocess": "change_uvicorn_workers",
}


class Finder:
    """Finds hooked modules as everybody else does, and has their loader call the hook afterwards."""

    def find_spec(self, name: str, path: "Any" = None, target: "Any" = None) -> "Any":
        """Return the module's own spec with a wrapped loader, or None for all other modules."""
        if name not in HOOKED:
            return None
        for finder in sys.meta_path:
            if finder is self:
                continue
            spec = finder.find_spec(name, path, target)
            if spec is not None:
                if spec.loader is not None:
                    _call_after(spec.loader, HOOKED[name])
                return spec
        return None


def _call_after(loader: "Any", change: str) -> None:
    execute = loader.exec_module

    def execute_then_change(module: "Any") -> None:
        execute(module)
        from distribution.overlay import changes

        getattr(changes, change)(module)

    loader.exec_module = execute_then_change


if not any(isinstance(finder, Finder) for finder in sys.meta_path):
    sys.meta_path.insert(0, Finder())
