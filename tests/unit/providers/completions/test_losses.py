"""A loss is said at once, many are counted, and an end is said too."""

import pytest
from sqlalchemy.exc import OperationalError

from providers.completions.losses import INTERVAL, Losses, reason_of

FULL = OperationalError("INSERT INTO t VALUES (?)", ("what was said",), Exception("database or disk is full\nand more"))


def test_one_line_at_once_and_one_an_interval(caplog: pytest.LogCaptureFixture) -> None:
    now = 1_000.0
    losses = Losses(lambda: now)
    assert losses.told() is None
    for _ in range(100):
        losses.add(FULL)
    now += INTERVAL
    losses.add(FULL)
    assert [record.getMessage() for record in caplog.records] == [
        "A chat completion could not be stored: Exception: database or disk is full. "
        "Requests are answered all the same.",
        "100 more chat completions could not be stored: Exception: database or disk is full. "
        "Requests are answered all the same.",
    ]
    assert "chat completions cannot be stored. Lost so far: 101." in str(losses.told())


def test_the_end_is_said_once_and_the_next_loss_at_once(caplog: pytest.LogCaptureFixture) -> None:
    losses = Losses(lambda: 1_000.0)
    losses.end()
    losses.add(TimeoutError())
    losses.add(TimeoutError())
    losses.end()
    losses.end()
    assert str(losses.told()).startswith("Chat completions are stored again. Lost: 2, ")
    losses.add(FULL)
    assert [record.levelname for record in caplog.records] == ["ERROR", "WARNING", "ERROR"]
    assert (
        caplog.records[0]
        .getMessage()
        .startswith("A chat completion could not be stored: the database did not answer in time.")
    )
    assert caplog.records[1].getMessage() == "Chat completions are stored again. Lost since the server started: 2."


def test_a_reason_has_no_statement_and_no_values() -> None:
    assert reason_of(FULL) == "Exception: database or disk is full"
    assert reason_of(KeyError()) == "KeyError"
