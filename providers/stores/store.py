"""What every store can do."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Protocol

# No key that a range is meant to hold goes on with this character or a later one.
RANGE_END = "\xff"


class Transaction(Protocol):
    """Reads and writes that happen together or not at all. Reads do not see the writes before them."""

    def get(self, key: str) -> str | None:
        """Return a key's value, or None."""

    def put(self, key: str, value: str) -> None:
        """Set a key's value."""

    def delete(self, prefix: str) -> int:
        """Remove all keys that begin with ``prefix``; returns how many."""


class Store(ABC):
    """A key-value store for any event loop; its methods raise StoreUnavailable when it cannot be reached.

    It is opened when it is first used. ``str()`` names it in messages.
    """

    @abstractmethod
    async def get(self, key: str) -> str | None:
        """Return a key's value, or None."""

    @abstractmethod
    async def range(self, prefix: str) -> dict[str, str]:
        """Return all keys that begin with ``prefix``, with their values, in one read."""

    @abstractmethod
    async def targets(self, prefix: str, pointer: str) -> list[str]:
        """Follow the pointers under ``prefix`` in one read.

        Where a key STEM + ``pointer`` has the value V and there is a key STEM + V, its value is returned.
        """

    @abstractmethod
    async def transact[Result](self, lock: str, work: Callable[[Transaction], Result]) -> Result:
        """Run ``work`` as one step and return what it returns; if it raises, nothing is written.

        Of two that name the same ``lock``, a key that both write, one sees what the other has done. ``work`` runs
        in a thread, and may be run several times, of which the last counts.
        """

    @abstractmethod
    async def check(self) -> None:
        """Raise unless the store answers and takes writes."""

    @abstractmethod
    async def close(self) -> None:
        """Do what is waiting, and close all connections."""
