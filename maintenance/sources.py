"""The sources of one llama-stack, read with `ast`, never imported: another release may lack what it imports."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

PACKAGES = ("llama_stack", "llama_stack_api")
"""Top-level packages of llama-stack; the second came with 0.4.0."""


@dataclass(frozen=True)
class Import:
    """A name that a module has from another one; `name` is empty for a whole module."""

    module: str
    name: str = ""

    def __str__(self) -> str:
        return f"{self.module}.{self.name}" if self.name else self.module


@dataclass(frozen=True)
class Module:
    """One module: its dotted name and its parsed source."""

    name: str
    body: ast.Module
    is_package: bool = False

    @cached_property
    def names(self) -> dict[str, ast.stmt | Import]:
        """What stands at the top of the module, also below `if` and `try`, by name."""
        found: dict[str, ast.stmt | Import] = {}
        for statement in _top_level(self.body):
            for name in _bound_names(statement):
                found[name] = statement
            if isinstance(statement, ast.ImportFrom):
                origin = self.absolute(statement)
                found |= {alias.asname or alias.name: Import(origin, alias.name) for alias in statement.names}
            elif isinstance(statement, ast.Import):
                for alias in statement.names:
                    whole = alias.name if alias.asname else alias.name.partition(".")[0]
                    found[alias.asname or whole] = Import(whole)
        return found

    def absolute(self, statement: ast.ImportFrom) -> str:
        """Return the module that a `from ... import` names, without leading dots."""
        if not statement.level:
            return statement.module or ""
        parts = self.name.split(".")
        above = parts[: len(parts) - statement.level + self.is_package]
        return ".".join([*above, *([statement.module] if statement.module else [])])


@dataclass(frozen=True)
class Definition:
    """Where a name is defined: the module and the statement in it."""

    name: str
    module: Module
    statement: ast.stmt


class Sources:
    """The packages of llama-stack below one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._read: dict[str, Module | None] = {}

    def holds(self, module: str) -> bool:
        """Tell whether a module belongs to llama-stack, be it there or not."""
        return module.partition(".")[0] in PACKAGES

    def module(self, name: str) -> Module | None:
        """Return a module; None where llama-stack has none of this name."""
        if name not in self._read:
            self._read[name] = self._parsed(name) if self.holds(name) else None
        return self._read[name]

    def _parsed(self, name: str) -> Module | None:
        path = self.folder.joinpath(*name.split("."))
        for source, is_package in ((path / "__init__.py", True), (path.with_suffix(".py"), False)):
            if source.is_file():
                return Module(name, ast.parse(source.read_bytes()), is_package)
        # A folder without __init__.py is a package all the same.
        return Module(name, ast.Module([], []), True) if path.is_dir() else None

    def modules_below(self, package: str) -> list[Module]:
        """Return the modules that stand directly in a package, by name."""
        files = sorted(self.folder.joinpath(*package.split(".")).glob("*.py"))
        found = [self.module(f"{package}.{file.stem}") for file in files if file.stem != "__init__"]
        return [module for module in found if module]

    def find(self, module: str, name: str) -> Definition | Import | None:
        """Follow a name to where it is defined.

        Returns an Import for what comes from elsewhere or is a module, and None for what is nowhere.
        """
        seen = set()
        while (module, name) not in seen:
            seen.add((module, name))
            holder = self.module(module)
            bound = holder.names.get(name) if holder else None
            if holder is None:
                return None
            if bound is None:
                return Import(f"{module}.{name}") if self.module(f"{module}.{name}") else self._starred(holder, name)
            if not isinstance(bound, Import):
                return Definition(name, holder, bound)
            if not bound.name or not self.holds(bound.module):
                return bound
            module, name = bound.module, bound.name
        return None

    def _starred(self, module: Module, name: str) -> Definition | Import | None:
        for statement in _top_level(module.body):
            if isinstance(statement, ast.ImportFrom) and statement.names[0].name == "*":
                found = self.find(module.absolute(statement), name)
                if found:
                    return found
        return None

    def definition(self, module: Module, expression: ast.expr) -> Definition | None:
        """Return what an expression in a module names, if it is a name that llama-stack itself defines."""
        if isinstance(expression, ast.Name):
            found = self.find(module.name, expression.id)
        elif isinstance(expression, ast.Attribute) and isinstance(expression.value, ast.Name):
            outer = self.find(module.name, expression.value.id)
            found = self.find(str(outer), expression.attr) if isinstance(outer, Import) else None
        else:
            found = None
        return found if isinstance(found, Definition) else None

    def with_bases(self, definition: Definition) -> list[Definition]:
        """Return a class and those of its bases that llama-stack defines, itself first; nothing for no class."""
        if not isinstance(definition.statement, ast.ClassDef):
            return []
        found = [definition]
        for base in definition.statement.bases:
            parent = self.definition(definition.module, base.value if isinstance(base, ast.Subscript) else base)
            if parent and parent != definition:
                found += self.with_bases(parent)
        return found

    @cached_property
    def defined_in(self) -> dict[str, list[str]]:
        """The modules that define a class, function or variable at their top, by its name."""
        found = defaultdict(list)
        for package in PACKAGES:
            for file in sorted((self.folder / package).rglob("*.py")):
                parts = file.relative_to(self.folder).with_suffix("").parts
                module = self.module(".".join(parts[:-1] if parts[-1] == "__init__" else parts))
                if module:
                    for name, bound in module.names.items():
                        if not isinstance(bound, Import):
                            found[name].append(module.name)
        return found


def _top_level(body: ast.AST) -> Iterator[ast.stmt]:
    for statement in ast.iter_child_nodes(body):
        if isinstance(statement, (ast.If, ast.Try, ast.With, ast.ExceptHandler)):
            yield from _top_level(statement)
        elif isinstance(statement, ast.stmt):
            yield statement


def _bound_names(statement: ast.stmt) -> Iterator[str]:
    if isinstance(statement, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
        yield statement.name
    elif isinstance(statement, ast.Assign):
        yield from (target.id for target in statement.targets if isinstance(target, ast.Name))
    elif isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
        yield statement.target.id
    elif isinstance(statement, ast.TypeAlias):
        yield statement.name.id
