"""The server's OpenAPI document, with what the server knows and with requests that it takes."""

import re
from typing import Any

from tests.security.fuzzing.requests import valid_requests
from tests.security.fuzzing.resources import Known

ALIAS = re.compile(r"/v1/openai/v1|/v1alpha|/v1beta")
"""How paths begin that have a second one beside them, `/v1/...`, with the same function behind it."""

TAKES: dict[str, str] = {
    "model": "model_id",
    "embedding_model": "model_id",
    "judge_model": "model_id",
    "input_file_id": "file_id",
    "file_ids": "file_id",
    "vector_store_ids": "vector_store_id",
    "vector_db_id": "vector_store_id",
    "vector_db_ids": "vector_store_id",
    "identifier": "shield_id",
    "input_shields": "shield_id",
    "output_shields": "shield_id",
    "tool_group_id": "toolgroup_id",
    "scoring_functions": "scoring_fn_id",
}
"""Other names of parameters and properties for what `Known` has."""


def furnished(document: dict[str, Any], known: Known, *, aliases: bool) -> dict[str, Any]:
    """Return the document with identifiers that exist, and examples of bodies; changes it in place.

    What a request registers has a name of its own, and a path that is another's alias is left out unless asked for.
    """
    for schema in _schemas(document):
        if not str(schema.get("title", "")).startswith("Body_register"):
            schema["properties"] = {name: _known(name, value, known) for name, value in schema["properties"].items()}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            for parameter in operation.get("parameters", []):
                parameter["schema"] = _known(parameter["name"], parameter["schema"], known)
            bodies = valid_requests(known).get(f"{method.upper()} {ALIAS.sub('/v1', path, count=1)}", [])
            if bodies:
                media = operation["requestBody"]["content"]["application/json"]
                media["examples"] = {str(number): {"value": body} for number, body in enumerate(bodies)}
    if not aliases:
        document["paths"] = {path: what for path, what in document["paths"].items() if not _is_alias(path, document)}
    return document


def operations(document: dict[str, Any]) -> list[str]:
    """The operations of a document, as `POST /v1/files`."""
    return [f"{method.upper()} {path}" for path, methods in document["paths"].items() for method in methods]


def _schemas(node: Any) -> list[dict[str, Any]]:
    """All objects with properties that a document describes."""
    if isinstance(node, list):
        return [schema for one in node for schema in _schemas(one)]
    if not isinstance(node, dict):
        return []
    own = [node] if isinstance(node.get("properties"), dict) else []
    return own + [schema for one in node.values() for schema in _schemas(one)]


def _known(name: str, schema: Any, known: Known) -> Any:
    values = known.get(TAKES.get(name, name))
    if values is None or not isinstance(schema, dict):
        return schema
    if schema.get("type") == "string":
        return {"type": "string", "enum": values}
    if schema.get("type") == "array" and schema.get("items", {}).get("type") == "string":
        return {**schema, "items": {"type": "string", "enum": values}}
    if "anyOf" in schema:
        return {**schema, "anyOf": [_known(name, one, known) for one in schema["anyOf"]]}
    return schema


def _is_alias(path: str, document: dict[str, Any]) -> bool:
    original = ALIAS.sub("/v1", path, count=1)
    return original != path and original in document["paths"]
