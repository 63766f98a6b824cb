"""A change of upstream is a declaration: what is changed, what it relies on, why, and for how long.

    @change(
        "llama_stack.core.store.registry:CachedDiskDistributionRegistry.get",
        takes=("self", "type", "identifier"),
        why="Upstream reads ... once. A user sees ...",
    )
    def get(original):
        async def get(self, type, identifier): ...
        return get

The decorated function gets what upstream has under that name and returns what takes its place. It is called right
after the module has been imported. Modules with declarations import nothing of llama-stack or uvicorn at their top.
`distribution.hooks`, docs/upstream-defects.md and the test of every target are made from the declarations.
"""

import functools
import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any

Make = Callable[[Any], Any]


@dataclass(frozen=True)
class Change:
    """One change of one name of upstream's."""

    target: str
    """`module:name` or `module:Class.name`."""
    why: str
    """What upstream does, and what a user sees of it."""
    make: Make
    """Called with upstream's object, returns what takes its place."""
    takes: tuple[str, ...] | None = None
    """The parameters of upstream's function, in order; None for what is no function."""
    adds: bool = False
    """Upstream has nothing of this name."""
    reference: str = ""
    """Upstream's issue or pull request."""
    fixed_in: str = ""
    """The first version whose code does not have the defect, read there; empty where none up to ogx 1.5.0 is known."""
    advisory: str = ""
    """The name of the advisory that it mends, in part or whole; empty for what is no hole in security."""

    @property
    def module(self) -> str:
        """The module to change."""
        return self.target.partition(":")[0]

    @property
    def steps(self) -> list[str]:
        """The names that lead from the module to what is changed."""
        return self.target.partition(":")[2].split(".")

    @property
    def subject(self) -> str:
        """The module of the overlay that declares it."""
        return self.make.__module__.rpartition(".")[2]


_declared: dict[str, list[Change]] = {}
in_effect: dict[str, Any] = {}
"""Target -> what has taken its place, of every change that has been made in this process."""


def change(
    target: str,
    *,
    why: str,
    takes: tuple[str, ...] | None = None,
    adds: bool = False,
    reference: str = "",
    fixed_in: str = "",
    advisory: str = "",
) -> Callable[[Make], Make]:
    """Declare a change. Several of one target are made in the order in which they are declared."""

    def declare(make: Make) -> Make:
        one = Change(target, why, make, takes, adds, reference, fixed_in, advisory)
        _declared.setdefault(one.module, []).append(one)
        return make

    return declare


def changed_modules() -> dict[str, list[Change]]:
    """Return all changes by the module that they change."""
    _import_declarations()
    return _declared


def all_changes() -> Iterator[Change]:
    """Yield all changes, by the module that they change and in the order of their declaration."""
    for _, changes in sorted(changed_modules().items()):
        yield from changes


@functools.cache
def _import_declarations() -> None:
    import distribution.overlay as overlay

    for module in pkgutil.iter_modules(overlay.__path__):
        if module.name != "__main__":
            importlib.import_module(f"{overlay.__name__}.{module.name}")


def apply(module: ModuleType) -> None:
    """Make the changes of a module that has just been imported."""
    for one in _declared[module.__name__]:
        holder: Any = module
        *outer, name = one.steps
        for step in outer:
            holder = getattr(holder, step)
        original = None if one.adds else getattr(holder, name)
        changed = one.make(original)
        if inspect.isfunction(changed) and inspect.isfunction(original):
            functools.update_wrapper(changed, original)
        setattr(holder, name, changed)
        in_effect[one.target] = changed
