"""Stored chat completions as OpenAI's API shows them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Page:
    """A part of a list of rows."""

    rows: Sequence[Mapping[str, Any]]
    has_more: bool


def as_completion(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a completion, with its messages as llama-stack has them in it."""
    shown: dict[str, Any] = {"id": row["id"], "object": "chat.completion", "created": row["created"]}
    shown |= {name: row[name] for name in ("model", "choices", "usage", "metadata", "input_messages")}
    return shown | {name: row[name] for name in ("service_tier", "system_fingerprint") if row[name] is not None}


def as_messages(row: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the messages that a completion answers, each with an id of its own."""
    return [_message(f"{row['id']}-{number}", message) for number, message in enumerate(row["input_messages"] or [])]


def as_list(items: Sequence[Mapping[str, Any]], has_more: bool) -> dict[str, Any]:
    """Return a part of a list."""
    first, last = (items[0]["id"], items[-1]["id"]) if items else ("", "")
    return {"object": "list", "data": items, "first_id": first, "last_id": last, "has_more": has_more}


def _message(message_id: str, message: Mapping[str, Any]) -> dict[str, Any]:
    content = message.get("content")
    parts = content if isinstance(content, list) else None
    return {**message, "id": message_id, "content": None if parts else content, "content_parts": parts}
