"""What could not be stored: said once, then counted, and said again at intervals."""

import time
from collections.abc import Callable
from datetime import UTC, datetime

from llama_stack.log import get_logger

log = get_logger(name=__name__, category="inference")

INTERVAL = 60.0
"""Seconds between two lines about the same trouble."""


class Losses:
    """Chat completions that were answered and not stored, since the server started."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lost = 0
        self._untold = 0
        self._told_at = 0.0
        self._since = ""
        self._goes_on = False

    def add(self, error: BaseException) -> None:
        """Count one, and say so: at once if it is the first, else with those since the last line."""
        if not self._goes_on:
            self._since = datetime.now(UTC).isoformat(timespec="seconds")
        self._lost += 1
        self._untold += 1
        now = self._clock()
        if not self._goes_on or now - self._told_at >= INTERVAL:
            log.error(f"{_number(self._untold)} not be stored: {reason_of(error)}. Requests are answered all the same.")
            self._untold, self._told_at = 0, now
        self._goes_on = True

    def end(self) -> None:
        """Note that one was stored."""
        if self._goes_on:
            self._goes_on = False
            log.warning(f"Chat completions are stored again. Lost since the server started: {self._lost}.")
            self._untold = 0

    def told(self) -> str | None:
        """Say what is to be known of the server's health; None if nothing was lost."""
        if not self._lost:
            return None
        if self._goes_on:
            return (
                f"Since {self._since} chat completions cannot be stored. Lost so far: {self._lost}. The log says why."
            )
        return f"Chat completions are stored again. Lost: {self._lost}, the last ones after {self._since}."


def reason_of(error: BaseException) -> str:
    """The database's own words, without the statement and its values, which SQLAlchemy adds."""
    if isinstance(error, TimeoutError):
        return "the database did not answer in time"
    cause = getattr(error, "orig", None) or error
    return f"{type(cause).__name__}: {str(cause).partition('\n')[0]}" if str(cause) else type(cause).__name__


def _number(count: int) -> str:
    return "A chat completion could" if count == 1 else f"{count} more chat completions could"
