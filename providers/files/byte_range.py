"""The ``Range`` header of a request (RFC 9110, section 14)."""

import re

_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.IGNORECASE)


class NotSatisfiable(Exception):
    """The range lies outside the content."""


def parse(header: str, size: int) -> tuple[int, int] | None:
    """Return the first byte asked for and the one after the last.

    None means the whole content: that is how a server answers what it does not understand, several ranges
    included.

    Raises ``NotSatisfiable``.
    """
    match = _RANGE.fullmatch(header.strip())
    if match is None or match.groups() == ("", ""):
        return None
    first, last = match.groups()
    if not first:
        start, stop = max(size - int(last), 0), size
    elif last and int(last) < int(first):
        return None
    else:
        start, stop = int(first), min(int(last) + 1, size) if last else size
    if start >= stop:
        raise NotSatisfiable
    return start, stop
