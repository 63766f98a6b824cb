"""Imports that are put off until somebody uses what they are for.

`import openai` runs two hundred modules of types that nobody has asked for, `import llama_stack` a client that no
server needs. Each name of such a package is there as before, in `dir()` too. `distribution.hooks` calls `execute` in
place of running a module; like that module, this one imports only what Python has imported already.
"""

import builtins
import sys
from importlib import import_module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType
    from typing import Any

GATHERING = ("llama_stack", "mcp", "mcp.server", "openai.types")
"""Packages that only gather names of their modules; those below the last are such packages too."""

CALLED = {
    "llama_stack.providers.inline.telemetry.meta_reference.telemetry": (
        "opentelemetry.exporter.",
        "opentelemetry.sdk.",
    ),
}
"""Module -> where names come from that it only calls; telemetry's are called where it is exported."""


def is_put_off(name: str, *, is_package: bool) -> bool:
    """Tell whether a module of this name imports what it may never use."""
    return name in CALLED or (is_package and (name in GATHERING or name.startswith(f"{GATHERING[-1]}.")))


def execute(module: "ModuleType", run: "Callable[[ModuleType], None]") -> None:
    """Run a module with `run`, and put off each `from ... import ...` in it that its purpose allows."""
    if sources := CALLED.get(module.__name__):
        _run(module, run, lambda name: _Callables(name) if name.startswith(sources) else None)
    else:
        _gather(module, run)


def _run(module: "ModuleType", run: "Callable[[ModuleType], None]", instead: "Callable[[str], Any]") -> None:
    """Run a module; what `instead` returns for another's name is what names are imported from, unless it is None."""
    package, space = module.__name__, vars(module)

    def __import__(name: str, globals: "Any" = None, locals: "Any" = None, names: "Any" = (), level: int = 0) -> "Any":
        found = None
        if names and name != "__future__":
            parent = package.rsplit(".", level - 1)[0] if level else ""
            found = instead(".".join(filter(None, (parent, name))))
        return builtins.__import__(name, globals, locals, names, level) if found is None else found

    space["__builtins__"] = vars(builtins) | {"__import__": __import__}
    try:
        run(module)
    finally:
        space["__builtins__"] = vars(builtins)


def _gather(module: "ModuleType", run: "Callable[[ModuleType], None]") -> None:
    _run(module, run, _Anything)
    package, space = module.__name__, vars(module)
    later = {name: value for name, value in space.items() if isinstance(value, _Later)}
    for name in later:
        del space[name]
    space.setdefault("__all__", [name for name in (*space, *later) if not name.startswith("_")])

    def get(name: str) -> "Any":
        # Importing the whole package made its modules attributes of it, so they are asked for like that as well.
        value = later[name].imported(package) if name in later else _submodule(package, name)
        space[name] = value
        return value

    space["__getattr__"] = get
    space["__dir__"] = lambda: sorted({*space, *later})


class _Later:
    """Stands for a name while its package is run."""

    def __init__(self, module: str, name: str) -> None:
        self._module, self._name = module, name

    def imported(self, package: str) -> "Any":
        """Return what `from module import name` gets."""
        if self._module != package:
            module = import_module(self._module)
            if hasattr(module, self._name):
                return getattr(module, self._name)
        return import_module(f"{self._module}.{self._name}")


class _Anything:
    """Stands for a module from which names are imported: it has every name."""

    def __init__(self, module: str) -> None:
        self._module = module

    def __getattr__(self, name: str) -> _Later:
        return _Later(self._module, name)


class _Callables:
    """Stands for a module whose names are called: each is imported when it is."""

    def __init__(self, module: str) -> None:
        self._module = module

    def __getattr__(self, name: str) -> "Callable[..., Any]":
        return lambda *arguments, **options: getattr(import_module(self._module), name)(*arguments, **options)


def _submodule(package: str, name: str) -> "ModuleType":
    full_name = f"{package}.{name}"
    try:
        if not name.startswith("__"):
            return import_module(full_name)
    except ModuleNotFoundError as error:
        if error.name != full_name:
            raise
    raise AttributeError(f"module {package!r} has no attribute {name!r}", name=name, obj=sys.modules[package])
