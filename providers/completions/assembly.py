"""The chat completion that the chunks of a stream come to."""

from collections.abc import Mapping
from typing import Any

MOST_CHARACTERS = 64 << 20
"""Of the texts of an answer that is stored; a stream may go on for ever."""
SAID_ONCE = ("id", "index", "role", "type")
"""What is no part of a text, though it is one, and may be said with each chunk."""


class TooLong(Exception):
    """An answer is too long to be stored."""

    def __init__(self) -> None:
        super().__init__(f"it is longer than {MOST_CHARACTERS} characters")


class Assembly:
    """Takes chunks as they are decoded from JSON, and gives the completion in the end."""

    def __init__(self, expected: int = 1) -> None:
        self._expected = expected
        self._head: dict[str, Any] = {}
        self._choices: dict[int, dict[str, Any]] = {}
        self._finished: set[int] = set()
        self._characters = 0
        self._error: Exception | None = None

    @property
    def has_begun(self) -> bool:
        """Whether there is anything of which a completion could be made."""
        return "id" in self._head

    @property
    def is_finished(self) -> bool:
        """Whether every choice has said why it ends: nothing but numbers comes after that."""
        return len(self._finished) >= self._expected

    def add(self, chunk: Mapping[str, Any]) -> None:
        """Take one chunk; one that is no such thing spoils the completion, and nothing else."""
        try:
            self._add(chunk)
        except (AttributeError, KeyError, TypeError) as error:
            self._error = error

    def _add(self, chunk: Mapping[str, Any]) -> None:
        for name in ("id", "created", "service_tier", "system_fingerprint"):
            if chunk.get(name) is not None:
                self._head.setdefault(name, chunk[name])
        if chunk.get("usage") is not None:
            self._head["usage"] = chunk["usage"]
        for choice in chunk.get("choices") or []:
            self._add_choice(choice)

    def _add_choice(self, choice: Mapping[str, Any]) -> None:
        index = choice.get("index") or 0
        whole = self._choices.setdefault(index, {"index": index, "message": {"role": "assistant"}})
        for name, value in choice.items():
            if name == "delta":
                self._merge(whole["message"], value or {})
            elif name == "logprobs":
                self._merge(whole.setdefault("logprobs", {}), value or {})
            elif value is not None:
                whole[name] = value
        if choice.get("finish_reason"):
            self._finished.add(index)

    def _merge(self, whole: dict[str, Any], part: Mapping[str, Any]) -> None:
        """Add a part to what is there: texts and lists go on, objects are merged, all else takes the place."""
        for name, value in part.items():
            if value is None:
                continue
            if isinstance(value, str) and name not in SAID_ONCE:
                self._characters += len(value)
                if self._characters <= MOST_CHARACTERS:
                    whole.setdefault(name, _Text()).append(value)
            elif isinstance(value, Mapping):
                self._merge(whole.setdefault(name, {}), value)
            elif name == "tool_calls":
                calls = whole.setdefault(name, {})
                for at, call in enumerate(value):
                    self._merge(calls.setdefault(call.get("index", at), {}), call)
            elif isinstance(value, list):
                whole.setdefault(name, []).extend(value)
            else:
                whole[name] = value

    def completion(self) -> dict[str, Any]:
        """Return the completion; raises TooLong, or what was wrong with a chunk."""
        if self._error is not None:
            raise self._error
        if self._characters > MOST_CHARACTERS:
            raise TooLong
        return {**self._head, "choices": [_choice(whole) for _, whole in sorted(self._choices.items())]}


class _Text(list[str]):
    """The parts of a text."""


def _choice(whole: Mapping[str, Any]) -> dict[str, Any]:
    message = {"content": None, **_joined(whole["message"])}
    if "tool_calls" in message:
        message["tool_calls"] = [_tool_call(call) for _, call in sorted(message["tool_calls"].items())]
    return {
        **whole,
        "finish_reason": whole.get("finish_reason") or "stop",  # of one whose client has left
        "message": message,
        "logprobs": _joined(whole.get("logprobs") or {}) or None,
    }


def _tool_call(call: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in call.items() if name != "index"}


def _joined(whole: Any) -> Any:
    if isinstance(whole, _Text):
        return "".join(whole)
    if isinstance(whole, dict):
        return {name: _joined(value) for name, value in whole.items()}
    return whole
