"""What the overlay changes and what our code imports: whether it is there, its parameters, its code."""

import ast
import copy
from collections.abc import Iterable, Iterator
from pathlib import Path

from maintenance.comparison import Items, Value
from maintenance.sources import Definition, Sources

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
THERE = "there"


def of_targets(sources: Sources, targets: Iterable[str]) -> Items:
    """Return state, parameters and code of each `module:name` and `module:Class.name` of llama-stack's."""
    return {target: _target(sources, target) for target in targets if sources.holds(target.partition(":")[0])}


def of_imports(sources: Sources, folders: Iterable[Path]) -> Items:
    """Return the state of each `module:name` of llama-stack's that the Python files below some folders import."""
    files = [file for folder in folders for file in sorted(folder.rglob("*.py"))]
    imported = {one for file in files for one in _imported(ast.parse(file.read_bytes())) if sources.holds(one)}
    return {one: {"state": _state(sources, one)} for one in sorted(imported)}


def _imported(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from (f"{node.module}:{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (f"{alias.name}:" for alias in node.names)


def _target(sources: Sources, target: str) -> dict[str, Value]:
    module, _, name = target.partition(":")
    outer, _, inner = name.rpartition(".")
    state = _state(sources, f"{module}:{outer or name}")
    if state != THERE:
        return {"state": state}
    found = sources.find(module, outer or name)
    statement = found.statement if isinstance(found, Definition) else None
    if outer:
        member = _member(sources, found, inner) if isinstance(found, Definition) else None
        state = THERE if member else f"{outer} has no {inner} of its own"
        statement = member or statement  # a name that the overlay adds relies on the whole class
    said: dict[str, Value] = {"state": state}
    if isinstance(statement, FUNCTIONS):
        said["parameters"] = f"({', '.join(_parameters(statement.args))})"
    if statement:
        said["code"] = tuple(_code(statement).splitlines())
    return said


def _state(sources: Sources, target: str) -> str:
    module, _, name = target.partition(":")
    if not sources.module(module):
        return f"the module is gone{_elsewhere(sources, name)}"
    if name and name != "__path__" and not sources.find(module, name):
        return f"{name} is gone from the module{_elsewhere(sources, name)}"
    return THERE


def _elsewhere(sources: Sources, name: str) -> str:
    modules = sources.defined_in.get(name, [])
    return f"; {name} is in {' and in '.join(modules[:2])}" if modules else ""


def _member(sources: Sources, found: Definition, name: str) -> ast.stmt | None:
    """Return what a class or a base of it binds to a name."""
    for holder in sources.with_bases(found):
        body = holder.statement.body if isinstance(holder.statement, ast.ClassDef) else []
        for statement in body:
            if isinstance(statement, FUNCTIONS) and statement.name == name:
                return statement
    return None


def _parameters(arguments: ast.arguments) -> Iterator[str]:
    """Yield the names of parameters, as in a declaration's `takes`."""
    yield from (one.arg for one in (*arguments.posonlyargs, *arguments.args))
    yield from ([arguments.vararg.arg] if arguments.vararg else [])
    yield from (one.arg for one in arguments.kwonlyargs)
    yield from ([arguments.kwarg.arg] if arguments.kwarg else [])


def _code(statement: ast.stmt) -> str:
    """Return the code without comments, layout and docstring."""
    if isinstance(statement, (*FUNCTIONS, ast.ClassDef)) and ast.get_docstring(statement):
        statement = copy.copy(statement)
        statement.body = statement.body[1:] or [ast.Pass()]
    return ast.unparse(statement)
