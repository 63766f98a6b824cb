"""Data against pydantic models and dataclasses, with every fault at its own place."""

import dataclasses
import difflib
import re
import types
import typing
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from distribution.verification.findings import KeyPath

KINDS = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "dataclass_type": "a mapping",
}


@dataclass(frozen=True)
class FieldFault:
    """A fault of one field: `missing`, or `problem` says what is wrong with its value."""

    path: KeyPath
    problem: str
    missing: bool = False


@dataclass(frozen=True)
class UnknownKey:
    """A key that the model does not have, and the one that was perhaps meant."""

    path: KeyPath
    near: str | None


def build(model: type[Any], data: dict[str, Any]) -> tuple[Any, list[FieldFault]]:
    """Make the object as llama-stack does, or say all that prevents it."""
    try:
        return model(**data), []
    except ValidationError as error:
        return None, [_fault(data, fault) for fault in error.errors(include_url=False)]
    except Exception as error:
        # Config classes are other people's code; whatever they raise stops the server too.
        return None, [FieldFault((), str(error) or type(error).__name__)]


def _fault(data: Any, error: Any) -> FieldFault:
    path = _real_path(data, error["loc"], missing=error["type"] == "missing")
    if error["type"] == "missing":
        return FieldFault(path, "", missing=True)
    if error["type"] == "union_tag_invalid":
        context = error["ctx"]
        field = str(context["discriminator"]).strip("'")
        expected = ", ".join(re.findall(r"'([^']*)'", str(context["expected_tags"])))
        if context["tag"] == "None":
            return FieldFault((*path, field), f"has to be one of {expected}, and is empty")
        return FieldFault((*path, field), f"is {context['tag']!r} and has to be one of {expected}")
    if error["type"] == "union_tag_not_found":
        field = str(error["ctx"]["discriminator"]).strip("'")
        return FieldFault((*path, field), "", missing=True)
    if kind := KINDS.get(error["type"]):
        return FieldFault(path, f"has to be {kind}, and is {_kind_of(error['input'])}")
    message = str(error["msg"]).removeprefix("Value error, ").removeprefix("Assertion failed, ")
    if message[1:2].islower():
        message = message[:1].lower() + message[1:]
    return FieldFault(path, f"is not accepted: {message.rstrip('.')}")


def _real_path(data: Any, location: tuple[int | str, ...], *, missing: bool) -> KeyPath:
    """Leave out the steps which pydantic adds for the alternatives of a union."""
    path: list[int | str] = []
    value = data
    for number, step in enumerate(location):
        last = number == len(location) - 1
        if _has(value, step):
            value = value[step]
        elif not (last and missing):
            continue
        path.append(step)
    return tuple(path)


def _has(value: Any, step: int | str) -> bool:
    if isinstance(value, list):
        return isinstance(step, int) and step < len(value)
    return isinstance(value, dict) and step in value


def _kind_of(value: Any) -> str:
    if value is None:
        return "empty"
    names = {bool: "true or false", int: "a number", float: "a number", str: "text", list: "a list"}
    names[dict] = "a mapping"
    return names.get(type(value), f"a {type(value).__name__}")


def unknown_keys(model: type[Any], data: Any, path: KeyPath = ()) -> Iterator[UnknownKey]:
    """Yield the keys in `data` which the model would silently drop, in nested models too."""
    if not isinstance(data, dict):
        return
    fields = _fields(model)
    if fields is None:
        return
    for key, value in data.items():
        if str(key) not in fields:
            yield UnknownKey((*path, str(key)), _nearest_key(str(key), [name for name in fields if name not in data]))
        else:
            yield from _unknown_inside(fields[str(key)], value, (*path, str(key)))


def _nearest_key(key: str, candidates: list[str]) -> str | None:
    """Return the field that was meant: the nearest, or the only one that shares half its words (`url`, `base_url`)."""
    sharing = [name for name in candidates if _shared_words(key, name) >= 0.5]
    return nearest(key, candidates) or (sharing[0] if len(sharing) == 1 else None)


def _shared_words(one: str, other: str) -> float:
    """Return the share of words in the longer name that both have."""
    words, others = set(one.split("_")), set(other.split("_"))
    return len(words & others) / max(len(words), len(others))


def field_at(model: Any, path: KeyPath) -> FieldInfo | None:
    """Return what a model says of the field at a path; None where that depends on more than the path."""
    info: FieldInfo | None = None
    for step in path:
        fields: dict[str, FieldInfo] = getattr(model, "model_fields", {})
        info = fields.get(str(step))
        if info is None:
            return None
        model = without_none(info.annotation)
    return info


def without_none(annotation: Any) -> Any:
    """Return X of `X | None`, anything else as it is."""
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        kinds = [kind for kind in typing.get_args(annotation) if kind is not type(None)]
        if len(kinds) == 1:
            return kinds[0]
    return annotation


def _fields(model: type[Any]) -> dict[str, Any] | None:
    """Return the annotations by the names under which fields are given; None when any name is accepted."""
    if dataclasses.is_dataclass(model):
        return dict.fromkeys(field.name for field in dataclasses.fields(model))
    if not issubclass(model, BaseModel) or model.model_config.get("extra") == "allow":
        return None
    by_name = model.model_config.get("populate_by_name", False)
    fields: dict[str, Any] = {}
    for name, info in model.model_fields.items():
        if info.alias:
            fields[info.alias] = info.annotation
        if not info.alias or by_name:
            fields[name] = info.annotation
    return fields


def _unknown_inside(annotation: Any, value: Any, path: KeyPath) -> Iterator[UnknownKey]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield from unknown_keys(annotation, value, path)
        return
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        yield from _unknown_inside(arguments[0], value, path)
    elif origin is list and isinstance(value, list):
        for index, item in enumerate(value):
            yield from _unknown_inside(arguments[0], item, (*path, index))
    elif origin is dict and isinstance(value, dict):
        for key, item in value.items():
            yield from _unknown_inside(arguments[1], item, (*path, str(key)))
    elif origin in (typing.Union, types.UnionType):
        yield from _unknown_in_union(arguments, value, path)


def _unknown_in_union(alternatives: tuple[Any, ...], value: Any, path: KeyPath) -> Iterator[UnknownKey]:
    models = [kind for kind in alternatives if kind is not type(None)]
    if len(models) > 1 and isinstance(value, dict) and "type" in value:
        models = [kind for kind in models if _type_of(kind) == value["type"]]
    if len(models) == 1:
        yield from _unknown_inside(models[0], value, path)


def _type_of(model: Any) -> Any:
    fields = getattr(model, "model_fields", {})
    return fields["type"].default if "type" in fields else None


def nearest(word: str, candidates: typing.Iterable[str]) -> str | None:
    """Return the candidate that was probably meant, if one is close enough."""
    close = difflib.get_close_matches(word, list(candidates), n=1, cutoff=0.7)
    return close[0] if close else None
