"""Waiting for what a server does by itself."""

import time
from collections.abc import Callable


def wait_until(holds: Callable[[], bool], timeout: float = 60) -> None:
    """Return as soon as ``holds`` does; raises ``AssertionError`` after ``timeout`` seconds."""
    deadline = time.monotonic() + timeout
    while not holds():
        assert time.monotonic() < deadline, f"not so after {timeout:g} s"
        time.sleep(0.05)
