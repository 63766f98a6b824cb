"""Upstream's provider registries: what each provider type is described with."""

import ast
from typing import Any

from maintenance.comparison import Items, Value
from maintenance.sources import Definition, Module, Sources

PACKAGE = "llama_stack.providers.registry"
LEFT_OUT = ("api", "provider_type", "description")


def provider_types(sources: Sources) -> Items:
    """Return what the registries say of each `api=type`, description apart. What cannot be read is shown as code."""
    found: Items = {}
    for module in sources.modules_below(PACKAGE):
        function = module.names.get("available_providers")
        if not isinstance(function, ast.FunctionDef):
            continue
        for call in (node for node in ast.walk(function) if isinstance(node, ast.Call)):
            said = _keywords(sources, module, call)
            if "provider_type" in said and "api" in said:
                name = f"{said['api']}={said['provider_type']}"
                found[name] = {key: _value(value) for key, value in said.items() if key not in LEFT_OUT}
    return found


def _keywords(sources: Sources, module: Module, call: ast.Call) -> dict[str, Any]:
    """Return what a call is given by keyword, `**` of what can be read included."""
    said: dict[str, Any] = {}
    for keyword in call.keywords:
        read = _read(sources, module, keyword.value)
        said |= {keyword.arg: read} if keyword.arg else read if isinstance(read, dict) else {}
    return said


def _value(read: Any) -> Value:
    return tuple(str(one) for one in read) if isinstance(read, list) else str(read)


def _read(sources: Sources, module: Module, node: ast.expr) -> Any:
    """Return the value of an expression: literals, names, sums, calls of functions that only return something.

    An enum's member is its name. Anything else is its own source.
    """
    match node:
        case ast.Constant():
            return node.value
        case ast.List() | ast.Tuple():
            return [one for element in node.elts for one in _elements(sources, module, element)]
        case ast.Dict():
            pairs = [
                (key and _read(sources, module, key), _read(sources, module, value)) for key, value in _pairs(node)
            ]
            return {name: one for key, value in pairs for name, one in ([(key, value)] if key else value.items())}
        case ast.BinOp(op=ast.Add()):
            left, right = _read(sources, module, node.left), _read(sources, module, node.right)
            return left + right if type(left) is type(right) and isinstance(left, (list, str)) else ast.unparse(node)
        case ast.Subscript(slice=ast.Constant(value=key)):
            holder = _read(sources, module, node.value)
            return holder[key] if isinstance(holder, dict) and key in holder else ast.unparse(node)
        case ast.Call(func=ast.Name(id="dict"), args=[]):
            return _keywords(sources, module, node)
        case ast.Call(func=ast.Name(id="cast"), args=[_, value]):
            return _read(sources, module, value)
        case ast.Call(args=[], keywords=[]) | ast.Name():
            return _named(sources, module, node)
        case ast.Attribute(value=ast.Name(id="Api")):
            return node.attr
    return ast.unparse(node)


def _pairs(node: ast.Dict) -> list[tuple[ast.expr | None, ast.expr]]:
    return list(zip(node.keys, node.values, strict=True))


def _elements(sources: Sources, module: Module, element: ast.expr) -> list[Any]:
    read = _read(sources, module, element.value if isinstance(element, ast.Starred) else element)
    return read if isinstance(element, ast.Starred) and isinstance(read, list) else [read]


def _named(sources: Sources, module: Module, node: ast.Name | ast.Call) -> Any:
    """Return the value of a variable, or what a function returns that takes nothing."""
    found = sources.definition(module, node.func if isinstance(node, ast.Call) else node)
    match found:
        case Definition(
            statement=ast.Assign(value=value)
            | ast.AnnAssign(value=ast.expr() as value)
            | ast.FunctionDef(body=[*_, ast.Return(value=ast.expr() as value)])
        ):
            return _read(sources, found.module, value)
    return ast.unparse(node)
