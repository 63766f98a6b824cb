"""An entry of the log as a line: plain, or JSON. No line is wrapped or padded."""

import logging
import time
import traceback
from collections.abc import Callable

import msgspec

from distribution.logs import harmless
from distribution.logs.levels import category_of
from providers.request_facts import current

Form = Callable[[logging.LogRecord], bytes]

SHORT_ID = 12
"""How many characters of the end of a request's id stand in plain lines that are not the request's own."""
encode_json = msgspec.json.Encoder().encode


class _Clock:
    """The current second and its text, which most entries share; one value, since threads log too."""

    second_and_text = (-1, "")


def timestamp(seconds: float) -> str:
    """Return a time since the epoch as ISO 8601, in UTC and with milliseconds."""
    second, text = _Clock.second_and_text
    if second != int(seconds):
        second = int(seconds)
        text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
        _Clock.second_and_text = (second, text)
    return f"{text}.{int((seconds - second) * 1000):03d}Z"


def plain_line(record: logging.LogRecord) -> bytes:
    """Return `TIME LEVEL CATEGORY [REQUEST]: MESSAGE`; what has several lines, as a traceback, is indented."""
    text = _message(record)
    if trace := _traceback(record):
        text = f"{text}\n{trace}"
    facts = current.get()
    request = f" [{facts.request_id[-SHORT_ID:]}]" if facts else ""
    head = f"{timestamp(record.created)} {record.levelname} {harmless.word(category_of(record))}{request}"
    return f"{head}: {harmless.indented(text)}\n".encode()


def json_line(record: logging.LogRecord) -> bytes:
    """Return an object: time, level, category, logger, message, and request_id and exception where there are any."""
    entry = {
        "time": timestamp(record.created),
        "level": record.levelname,
        "category": harmless.word(category_of(record)),
        "logger": harmless.word(record.name),
        "message": harmless.in_lines(_message(record)),
    }
    if facts := current.get():
        entry["request_id"] = facts.request_id
    if trace := _traceback(record):
        entry["exception"] = harmless.in_lines(trace)
    return encode_json(entry) + b"\n"


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception:
        return f"{record.msg!s} {record.args!r} (does not fit together)"


def _traceback(record: logging.LogRecord) -> str:
    if record.exc_text:
        return record.exc_text
    if record.exc_info and record.exc_info[1]:
        return "".join(traceback.format_exception(record.exc_info[1]))
    return ""
