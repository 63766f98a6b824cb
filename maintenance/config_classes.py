"""The classes that a run config and a provider's `config:` are read with: their fields, types and defaults."""

import ast
from collections.abc import Iterable, Iterator

from maintenance.comparison import Items, Value
from maintenance.sources import Definition, Import, Sources

RUN_CONFIG = "llama_stack.core.datatypes"
"""The module of StackRunConfig, ServerConfig and BuildConfig."""
ONLY_SAID = ("description", "title", "examples", "json_schema_extra")
"""Arguments of Field() that change nothing of what the field takes."""


def of_provider_types(sources: Sources, types: Items) -> Items:
    """Return the fields of each provider type's config class; no item for a class that is not there."""
    return {name: _fields(sources, one) for name, one in _config_classes(sources, types).items()}


def of_run_config(sources: Sources, types: Items) -> Items:
    """Return the fields of the run config's classes and of every class that they or providers' configs name.

    Items are names without modules, because releases move classes between modules.
    """
    module = sources.module(RUN_CONFIG)
    names = module.names if module else {}
    own = [sources.find(RUN_CONFIG, name) for name, bound in names.items() if isinstance(bound, ast.ClassDef)]
    configs = _config_classes(sources, types).values()
    named = [reference for config in configs for reference in _references(sources, config)]
    found = {one.name: _fields(sources, one) for one in _with_references(sources, [*own, *named])}
    return {name: fields for name, fields in found.items() if fields}


def _config_classes(sources: Sources, types: Items) -> dict[str, Definition]:
    found = {}
    for provider_type, said in types.items():
        module, _, name = str(said.get("config_class", "")).rpartition(".")
        config_class = sources.find(module, name)
        if isinstance(config_class, Definition):
            found[provider_type] = config_class
    return found


def _with_references(sources: Sources, roots: Iterable[Definition | Import | None]) -> Iterator[Definition]:
    """Yield the roots and all that the types of their fields name, each once."""
    seen = set()
    waiting = [root for root in roots if isinstance(root, Definition)]
    while waiting:
        one = waiting.pop(0)
        if one.name not in seen:
            seen.add(one.name)
            yield one
            waiting += _references(sources, one)


def _references(sources: Sources, definition: Definition) -> Iterator[Definition]:
    """Yield what llama-stack defines of the names in a class's types, or in the type that a name stands for."""
    for holder, expression in _types(sources, definition):
        for node in ast.walk(expression):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.isidentifier():
                node = ast.Name(node.value)  # a type that is written as a string
            found = sources.definition(holder.module, node) if isinstance(node, (ast.Name, ast.Attribute)) else None
            if found and (isinstance(found.statement, ast.ClassDef) or _meant(found.statement)):
                yield found


def _types(sources: Sources, definition: Definition) -> Iterator[tuple[Definition, ast.expr]]:
    meant = _meant(definition.statement)
    if meant:
        yield definition, meant
    for holder in sources.with_bases(definition):
        yield from ((holder, field.annotation) for _, field in _annotated(holder))


def _fields(sources: Sources, definition: Definition) -> dict[str, Value]:
    """Return the fields of a class, those of its bases first; for the name of a type, what it stands for."""
    meant = _meant(definition.statement)
    if meant:
        return {"type": ast.unparse(meant)}
    fields: dict[str, Value] = {}
    for holder in reversed(sources.with_bases(definition)):
        fields |= {name: _field(sources, holder, field) for name, field in _annotated(holder)}
        fields |= _assigned(holder)
    return fields


def _meant(statement: ast.stmt) -> ast.expr | None:
    """Return the type that `Name = type` stands for."""
    return statement.value if isinstance(statement, (ast.Assign, ast.AnnAssign, ast.TypeAlias)) else None


def _annotated(holder: Definition) -> Iterator[tuple[str, ast.AnnAssign]]:
    for statement in holder.statement.body if isinstance(holder.statement, ast.ClassDef) else ():
        match statement:
            case ast.AnnAssign(target=ast.Name(id=name)) if "ClassVar" not in ast.unparse(statement.annotation):
                yield name, statement


def _assigned(holder: Definition) -> dict[str, Value]:
    """Return an enum's members, and what pydantic is told of a model."""
    found: dict[str, Value] = {}
    node = holder.statement
    if isinstance(node, ast.ClassDef):
        is_enum = any("Enum" in ast.unparse(base) for base in node.bases)
        for statement in node.body:
            match statement:
                case ast.Assign(targets=[ast.Name(id=name)], value=value) if is_enum or name == "model_config":
                    found[name] = ast.unparse(value)
    return found


def _field(sources: Sources, holder: Definition, field: ast.AnnAssign) -> str:
    """Return `type = default`, with what Field() demands of the value behind the type."""
    default, demands = field.value, []
    if isinstance(default, ast.Call) and ast.unparse(default.func) == "Field":
        said = {keyword.arg: keyword.value for keyword in default.keywords if keyword.arg not in ONLY_SAID}
        default = default.args[0] if default.args else said.pop("default", None)
        made = said.pop("default_factory", None)
        if made:
            default = made.body if isinstance(made, ast.Lambda) else ast.Call(made, [], [])
        demands = [f"{name}={ast.unparse(value)}" for name, value in said.items()]
    text = ast.unparse(field.annotation) + (f" ({', '.join(demands)})" if demands else "")
    if default is None or ast.unparse(default) == "...":
        return text
    return f"{text} = {_constant(sources, holder, default)}"


def _constant(sources: Sources, holder: Definition, default: ast.expr) -> str:
    """Return a default as code; in the place of a constant's name its value."""
    found = sources.definition(holder.module, default)
    meant = _meant(found.statement) if found else None
    return ast.unparse(meant if isinstance(meant, ast.Constant) else default)
