"""Who sends requests writes no entries of the log, hides none and stops none."""

import re

import pytest

from tests.security.conftest import Served

pytestmark = pytest.mark.advisory("log-forged-or-stopped")

FORGED = "2026-01-01T00:00:00.000Z INFO nobody: all is well"
ENDS = ("\r", "\n", "\r\n", "\u2028", "\u0085")


def ask_for(served: Served, model: str) -> None:
    messages = [{"role": "user", "content": "x"}]
    answer = served.http.post("/v1/chat/completions", json={"model": model, "messages": messages})
    assert answer.status_code == 404


def test_no_line_of_the_log_is_a_requests(served: Served) -> None:
    for end in ENDS:
        ask_for(served, f"missing-model{end}{FORGED}")

    assert "missing-model" in served.log
    assert re.findall(rf"^{re.escape(FORGED)}", served.log, re.MULTILINE) == []


def test_no_terminal_escapes_reach_the_log(served: Served) -> None:
    ask_for(served, "before\x1b[2J\x1b[1;1H\x07\x9bafter\u202egnirts")

    assert "before\\x1b[2J" in served.log
    assert re.findall("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", served.log) == []


def test_nothing_is_taken_for_markup(served: Served) -> None:
    ask_for(served, "[bold]seen[/bold] [/red]")

    assert "[bold]seen[/bold] [/red]" in served.log


def test_the_log_goes_on_and_is_quick_after_a_long_word(served: Served) -> None:
    ask_for(served, "x" * 2_000_000)  # a quarter of an hour of upstream's, in every entry
    ask_for(served, "after-the-long-word")

    assert "after-the-long-word" in served.log
    assert max(len(entry) for entry in re.findall(r"x[x\s]{100,}", served.log)) < 10_000


def test_a_path_is_written_as_it_came(served: Served) -> None:
    served.http.get("/v1/models/a%0d%0aINFO%20forged%1b%5b31m")

    assert "INFO forged" not in [line.strip() for line in served.log.splitlines()]
    assert "\x1b" not in served.log


def test_each_line_of_the_log_is_the_images_own(served: Served) -> None:
    for path in ("a%0d%0a" + FORGED.replace(" ", "%20"), "%C2%85%E2%80%A8", "b?token=secret-in-a-query"):
        served.http.get(f"/v1/models/{path}", headers={"x-request-id": 'c"d', "user-agent": "kube-probe/1"})
    served.http.get("/v1/models")  # by its answer the lines of those before are written

    begins = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (DEBUG|INFO|WARNING|ERROR) [^ ]+( \[\S+\])?: ")
    assert [line for line in served.log.splitlines() if not begins.match(line)] == []
    assert "/v1/models/b 404 " in served.log
    assert "secret-in-a-query" not in served.log
