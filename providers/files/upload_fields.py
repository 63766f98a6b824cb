"""The fields beside the file in an upload's form; mistakes are reported as llama-stack reports them."""

import json
from typing import Any

from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from providers.files.service import UploadFields

_EXPIRY = "expires_after"


def parse_fields(fields: dict[str, str]) -> UploadFields:
    """Understand the fields; raises ``RequestValidationError`` with everything that is wrong."""
    if errors := _errors(fields):
        raise RequestValidationError(errors)
    return UploadFields.model_validate(_nested(fields))


def missing_file(fields: dict[str, str]) -> RequestValidationError:
    """Return the error for a form without a file, with whatever else is wrong."""
    missing = {"type": "missing", "loc": ("body", "file"), "msg": "Field required", "input": None}
    return RequestValidationError([missing, *_errors(fields)])


def _errors(fields: dict[str, str]) -> list[dict[str, Any]]:
    try:
        UploadFields.model_validate(_nested(fields))
    except ValidationError as error:
        return [{**one, "loc": ("body", *one["loc"])} for one in error.errors(include_url=False)]
    return []


def _nested(fields: dict[str, str]) -> dict[str, Any]:
    """An expiry may be written ``expires_after[seconds]=3600`` and so on, or as JSON in one field."""
    values: dict[str, Any] = {"purpose": fields["purpose"]} if "purpose" in fields else {}
    prefix = f"{_EXPIRY}["
    parts = {key[len(prefix) : -1]: value for key, value in fields.items() if key.startswith(prefix)}
    if parts:
        values[_EXPIRY] = parts
    elif text := fields.get(_EXPIRY):
        try:
            values[_EXPIRY] = json.loads(text)
        except (ValueError, RecursionError):
            values[_EXPIRY] = text
    return values
