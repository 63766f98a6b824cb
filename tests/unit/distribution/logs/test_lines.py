"""Entries of the log: one line each, whatever is logged, and what is in it."""

import json
import logging
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from distribution.logs.harmless import LONGEST, LONGEST_WORD, in_lines, indented, quoted, word
from distribution.logs.lines import json_line, plain_line, timestamp
from distribution.logs.output import LineHandler, Output
from distribution.verification.masking import MASK, Masker, mask_logs
from providers.request_facts import RequestFacts, current

SURROGATE = "\ud800"
FORM = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z ([A-Z]+) (\S+)(?: \[(\S+)\])?: (.*)", re.DOTALL)
REPOSITORY = Path(__file__).parents[4]


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
        ("[red]seen[/red]", "[red]seen[/red]"),
    ],
)
def test_what_is_written(text: str, written: str) -> None:
    assert indented(text) == written
    assert in_lines(text).replace("\n", "\n  ") == written


def test_long_lines_are_cut_and_others_not() -> None:
    assert indented("x" * (LONGEST + 5) + "\nshort") == "x" * LONGEST + " ... and 5 characters more\n  short"
    assert "more" not in indented("short\n" * 2000)
    assert indented("short\n" * 2000).count("\n") == 1999


def test_a_word_is_one_line() -> None:
    assert word("one\ntwo\tthree\x1b") == "one\\ntwo\\tthree\\x1b"
    assert word("x" * (LONGEST_WORD + 1)) == "x" * LONGEST_WORD + "..."
    assert [quoted(text) for text in ("vllm/a", "a b", 'a"b', "")] == ["vllm/a", '"a b"', '"a\\"b"', '""']


def record(message: str, *arguments: object, error: Exception | None = None, **more: object) -> logging.LogRecord:
    exc_info = (type(error), error, error.__traceback__) if error else None
    one = logging.LogRecord("llama_stack.some", logging.ERROR, __file__, 1, message, arguments, exc_info)
    vars(one).update(more)
    return one


def raised(message: str) -> ValueError:
    try:
        raise ValueError(message)
    except ValueError as error:
        return error


@pytest.fixture
def request_at_hand() -> Iterator[RequestFacts]:
    facts = RequestFacts("the-id-of-a-request-0123456789")
    token = current.set(facts)
    yield facts
    current.reset(token)


def test_a_plain_entry_has_time_level_category_and_message() -> None:
    line = plain_line(record("failed: %s", "x", category="core::server")).decode()

    assert line.endswith("\n")
    assert line.count("\n") == 1
    found = FORM.fullmatch(line.rstrip("\n"))
    assert found
    assert found.groups() == ("ERROR", "core::server", None, "failed: x")


def test_the_time_is_utc() -> None:
    moment = datetime(2026, 11, 26, 4, 54, 1, 7_500, UTC).timestamp()

    assert timestamp(moment) == "2026-11-26T04:54:01.007Z"
    assert timestamp(moment + 1.992) == "2026-11-26T04:54:02.999Z"


def test_a_traceback_belongs_to_the_entry() -> None:
    error = raised(f"c\nd\x1b{SURROGATE}")

    lines = plain_line(record("failed: %s", "a\nb", error=error)).decode().splitlines()
    entry = json.loads(json_line(record("failed: %s", "a\nb", error=error)))

    assert all(line.startswith("  ") for line in lines[1:])
    assert [lines[1], lines[2], *lines[-2:]] == [
        "  b",
        "  Traceback (most recent call last):",
        "  ValueError: c",
        "  d\\x1b\\ud800",
    ]
    assert entry["message"] == "failed: a\nb"
    assert entry["exception"].startswith("Traceback (most recent call last):\n")
    assert entry["exception"].endswith("ValueError: c\nd\\x1b\\ud800")


def test_a_json_entry_is_one_line_with_its_fields() -> None:
    line = json_line(record("one\ntwo \u2028 %s", SURROGATE, category="core"))

    assert line.count(b"\n") == 1
    entry = json.loads(line)
    datetime.fromisoformat(entry.pop("time"))
    assert entry == {
        "level": "ERROR",
        "category": "core",
        "logger": "llama_stack.some",
        "message": "one\ntwo \\u2028 \\ud800",
    }


def test_entries_of_a_request_have_its_id(request_at_hand: RequestFacts) -> None:
    plain = FORM.fullmatch(plain_line(record("x")).decode().rstrip("\n"))

    assert json.loads(json_line(record("x")))["request_id"] == request_at_hand.request_id
    assert plain
    assert request_at_hand.request_id.endswith(plain[3])
    assert len(plain[3]) == 12


def test_an_entry_that_does_not_fit_together_is_logged_all_the_same() -> None:
    assert plain_line(record("%d of %d", "x\n")).decode().endswith("%d of %d ('x\\n',) (does not fit together)\n")


def test_secrets_are_masked_in_messages_and_tracebacks() -> None:
    made_before = logging.getLogRecordFactory()
    try:
        mask_logs(Masker({"password": "s3cr3t-word"}, {}))
        make = logging.getLogRecordFactory()
        error = raised("no s3cr3t-word")
        one = make("n", logging.ERROR, __file__, 1, "%s", ("s3cr3t-word",), (ValueError, error, error.__traceback__))
        lines = plain_line(one).decode(), json_line(one).decode()
    finally:
        mask_logs(Masker({}, {}))
        logging.setLogRecordFactory(made_before)

    for line in lines:
        assert "s3cr3t-word" not in line
        assert f"ValueError: no {MASK}" in line


def test_what_has_a_reader_gets_all_lines_and_nothing_waits_for_one_that_is_gone(tmp_path: Path) -> None:
    gone_reader, gone = os.pipe()
    os.close(gone_reader)
    reader, slow = os.pipe()
    os.set_blocking(slow, False)
    script = f"import os, time; time.sleep(0.5); n = 0\nwhile part := os.read({reader}, 1000): n += len(part)\nprint(n)"
    taker = subprocess.Popen(
        [sys.executable, "-c", script], pass_fds=[reader], stdout=subprocess.PIPE, text=True, close_fds=True
    )
    os.close(reader)
    line = b"x" * 999 + b"\n"
    for _ in range(1000):
        Output(gone, slow).write(line)
    os.close(slow)

    assert taker.communicate()[0] == "1000000\n"
    os.close(gone)


def test_a_handler_writes_entries_as_they_come(tmp_path: Path) -> None:
    descriptor = os.open(tmp_path / "log", os.O_WRONLY | os.O_CREAT)
    handler = LineHandler(plain_line, Output(descriptor))
    for message in (f"half {SURROGATE}", "x" * 1_000_000, "after"):
        handler.handle(record(message))

    written = (tmp_path / "log").read_text().splitlines()
    os.close(descriptor)
    assert [line[-10:] for line in (written[0], written[2])] == [": half \\ud800"[-10:], "ome: after"]


def test_a_process_has_the_lines_and_levels_that_its_variables_name(tmp_path: Path) -> None:
    code = """
import logging, distribution.hooks
logging.basicConfig(level="INFO")  # as a library does while it is imported
from distribution.logs.output import set_up
set_up(); set_up()
from llama_stack.log import get_logger, setup_logging
from llama_stack.core.datatypes import LoggingConfig
def all_say(when):
    for name, category in (("a", "core"), ("b", "openai_responses"), ("c", "agents::meta_reference"), ("d", "safety")):
        log = get_logger(f"llama_stack.{name}", category=category)
        for level in (logging.DEBUG, logging.INFO, logging.WARNING):
            log.log(level, f"{when} {name}")
    logging.getLogger("some.library").info("library")
    logging.getLogger("some.library").warning("library")
all_say("first")
get_logger("llama_stack.e", category="core", config=LoggingConfig(category_levels={"safety": "debug", "core": "info"}))
setup_logging()
all_say("second")
"""
    ran = subprocess.run(
        [sys.executable, "-c", code],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
        env={
            **os.environ,
            "LOG_FORMAT": "json",
            "LLAMA_STACK_LOGGING": "core=warning, openai_responses=debug,nonsense",
            "LLAMA_STACK_LOG_FILE": str(tmp_path / "also"),
        },
    )

    entries = [json.loads(line) for line in ran.stderr.splitlines()]
    said = [(entry["message"], entry["level"]) for entry in entries if entry["message"] != "library"]
    assert [level for message, level in said if message == "first a"] == ["WARNING"]
    assert [level for message, level in said if message == "first b"] == ["DEBUG", "INFO", "WARNING"]
    assert [level for message, level in said if message == "first c"] == ["INFO", "WARNING"]
    assert [level for message, level in said if message == "second d"] == ["DEBUG", "INFO", "WARNING"]
    assert [level for message, level in said if message == "second a"] == ["WARNING"], "the variable comes first"
    assert [(e["level"], e["category"]) for e in entries if e["message"] == "library"] == [
        ("WARNING", "some.library")
    ] * 2
    assert (tmp_path / "also").read_text() == ran.stderr
    assert ran.stdout == ""
