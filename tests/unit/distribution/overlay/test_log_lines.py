"""Entries of the log: one each, whatever is logged."""

import importlib
import io
import logging
import time
from typing import Any

import pytest
from rich.console import Console

from distribution.overlay.log_lines import LONGEST, harmless, make_harmless

SURROGATE = "\ud800"


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("plain \U0001f600\ttext", "plain \U0001f600\ttext"),
        ("one\nINFO two", "one\n  INFO two"),
        ("one\r\ntwo\rthree", "one\n  two\\rthree"),
        ("\x1b[2J\x9b\x07\x7f", "\\x1b[2J\\x9b\\x07\\x7f"),
        (f"half {SURROGATE}", "half \\ud800"),
        ("\u2028\u202e", "\\u2028\\u202e"),
        ("the end\n", "the end"),
    ],
)
def test_what_is_written(text: str, written: str) -> None:
    assert harmless(text) == written


def test_long_lines_are_cut_and_others_not() -> None:
    assert harmless("x" * (LONGEST + 5) + "\nshort") == "x" * LONGEST + " ... and 5 characters more\n  short"
    assert harmless("short\n" * 2000) == harmless("short\n" * 2000)
    assert "more" not in harmless("short\n" * 2000)


def record(message: str, *arguments: object, error: Exception | None = None) -> logging.LogRecord:
    exc_info = (type(error), error, None) if error else None
    return logging.LogRecord("name", logging.ERROR, __file__, 1, message, arguments, exc_info)


def test_the_traceback_belongs_to_the_entry() -> None:
    one = record("failed: %s", "a\nb", error=ValueError(f"c\nd\x1b{SURROGATE}"))

    assert make_harmless(one)

    assert one.getMessage().splitlines() == ["failed: a", "  b", "  ValueError: c", "  d\\x1b\\ud800"]
    assert one.exc_info is None
    assert make_harmless(one)  # by a second handler
    assert one.getMessage().count("  ValueError") == 1


def test_an_entry_that_cannot_be_formatted_is_left_to_logging() -> None:
    assert make_harmless(record("%d", "x"))


def test_llama_stacks_handler_writes_what_comes_as_it_is() -> None:
    log: Any = importlib.import_module("llama_stack.log")
    handler = log.CustomRichHandler(markup=True, rich_tracebacks=True, show_time=False, show_path=False)
    handler.console = Console(file=(output := io.TextIOWrapper(io.BytesIO(), "utf-8")), width=120)
    started = time.process_time()
    for message in (f"half {SURROGATE}", "[red]seen[/red]", "x" * 1_000_000, "after"):
        handler.handle(record(message))

    output.seek(0)
    written = output.read()
    assert "half \\ud800" in written
    assert "[red]seen[/red]" in written
    assert "after" in written
    assert time.process_time() - started < 60  # without the limit: hours
