"""Validation of objects as the API servers of the supported versions do it."""

from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import yaml

from tests.deploy.manifests import Object

SCHEMAS = Path(__file__).with_name("schemas")
VERSIONS = ("1.25", "1.37")
"""The oldest and the newest Kubernetes that the chart supports."""


def validate(item: Object, version: str) -> None:
    """Validate an object, unknown fields included. Raises what finds it wrong."""
    if own := custom_resources().get((item["apiVersion"], item["kind"])):
        jsonschema.validate(item, own, jsonschema.Draft202012Validator)
    else:
        assert kubernetes_validate.validate(item, version, strict=True) == version


@cache
def custom_resources() -> dict[tuple[str, str], dict[str, Any]]:
    """Schemas of custom resources, by apiVersion and kind."""
    found = {}
    for path in SCHEMAS.glob("*.yaml"):
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
        if document.get("kind") == "CustomResourceDefinition":
            spec = document["spec"]
            for served in spec["versions"]:
                key = (f"{spec['group']}/{served['name']}", spec["names"]["kind"])
                found[key] = _strict(served["schema"]["openAPIV3Schema"])
        else:
            properties = document["properties"]
            found[properties["apiVersion"]["const"], properties["kind"]["const"]] = document
    return found


def _strict(schema: Any) -> Any:
    """Refuse the fields that an API server would drop without a word; leave its own extensions out."""
    if isinstance(schema, list):
        return [_strict(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    strict = {key: _strict(value) for key, value in schema.items()}
    if strict.pop("x-kubernetes-int-or-string", False):
        return {"type": ["integer", "string"]}
    if isinstance(strict.get("properties"), dict) and strict.get("type") == "object":
        strict.setdefault("additionalProperties", False)
    return strict
