"""Variables of the container that are whole numbers: what a server allows, and how long it waits."""

import os
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Number:
    """One such variable."""

    variable: str
    default: int
    unit: str
    """What it counts, such as `bytes`."""
    least: int = 1

    def is_one(self, text: str) -> bool:
        """Whether a text can be its value."""
        return text.isascii() and text.isdecimal() and int(text) >= self.least

    def of(self, environment: Mapping[str, str] = os.environ) -> int:
        """Return its value, or the default where it is unset or empty; verification has looked at it."""
        return int(environment.get(self.variable) or self.default)


MAX_REQUEST_BYTES = Number("MAX_REQUEST_BYTES", 64 << 20, "bytes")
"""How large the body of a request may be."""
MAX_CONCURRENT_REQUESTS = Number("MAX_CONCURRENT_REQUESTS", 4096, "requests")
"""How many requests a process may have at once, streams included; what is more is refused."""
BACKEND_CONNECT_SECONDS = Number("BACKEND_CONNECT_SECONDS", 5, "seconds")
"""How long a connection to a model's server may take to come about."""
BACKEND_ANSWER_SECONDS = Number("BACKEND_ANSWER_SECONDS", 600, "seconds")
"""How long a model's server may take to begin its answer."""
BACKEND_SILENCE_SECONDS = Number("BACKEND_SILENCE_SECONDS", 120, "seconds")
"""How long a model's server may be silent in the middle of its answer."""

SHUTDOWN_GRACE_SECONDS = Number("SHUTDOWN_GRACE_SECONDS", 20, "seconds", least=0)
"""How long requests in flight may take once the server is told to stop.

With what comes after, the default is less than the 30 seconds that Kubernetes gives a pod unless it is told otherwise.
"""

NUMBERS = (
    MAX_REQUEST_BYTES,
    MAX_CONCURRENT_REQUESTS,
    BACKEND_CONNECT_SECONDS,
    BACKEND_ANSWER_SECONDS,
    BACKEND_SILENCE_SECONDS,
    SHUTDOWN_GRACE_SECONDS,
)
