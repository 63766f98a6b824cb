"""URLs in messages, which a model's server fetches: images, videos, whatever a service may know."""

from collections.abc import Iterator
from typing import Any

import msgspec

from distribution.lane.requests import Body, ChatRequest
from providers.outgoing import Gate, Purpose
from providers.outgoing.errors import URLNotAllowed
from providers.outgoing.gate import parsed

_THERE_ITSELF = "data:"


def may_be_followed(body: Body[Any]) -> bool:
    """Whether each may lead where it does; if not, upstream's way says why."""
    if not isinstance(body.request, ChatRequest):
        return True
    messages = body.raw("messages")
    if b"url" not in messages.lower() and b"\\u" not in messages:  # a name may be written with escapes
        return True
    gate = Gate(Purpose.MODEL)
    try:
        for message in msgspec.json.decode(messages):
            for url in _urls(message.get("content")):
                gate.check_what_it_says(parsed(url))
    except (URLNotAllowed, ValueError):
        return False
    return True


def _urls(said: Any) -> Iterator[str]:
    """All texts below a name such as `url` or `image_url`, but what is no way to elsewhere."""
    if isinstance(said, list):
        for one in said:
            yield from _urls(one)
    elif isinstance(said, dict):
        for name, value in said.items():
            if not name.lower().endswith("url"):
                yield from _urls(value)
            elif isinstance(value, list):
                yield from _urls([{name: one} for one in value])
            elif not isinstance(value, str):
                yield from _urls(value)
            elif value[: len(_THERE_ITSELF)].lower() != _THERE_ITSELF:
                yield value
