"""What a place for contents has to be able to do.

All of it blocks and is called from worker threads; a reader or writer is used by one thread at a time.
"""

from collections.abc import Iterator
from typing import Protocol


class ObjectReader(Protocol):
    """A stretch of one object, from its first byte on."""

    @property
    def object_bytes(self) -> int:
        """The length of the whole object."""

    def read(self, count: int) -> bytes:
        """Return up to ``count`` bytes, and none only at the end of the stretch."""

    def close(self) -> None:
        """Let go of the object, wherever the reader is."""


class ObjectWriter(Protocol):
    """An object in the making, which nobody can read before it is committed."""

    def write(self, block: bytes | bytearray) -> None:
        """Append a block; all but the last are exactly as long as the store's ``block_bytes``."""

    def commit(self) -> None:
        """Make the object readable; when this returns it survives a crash."""

    def abort(self) -> None:
        """Remove what was written so far; raises nothing."""


class ObjectStore(Protocol):
    """Objects under keys that the caller chooses and uses once."""

    @property
    def block_bytes(self) -> int:
        """The length of the blocks that a writer takes."""

    @property
    def max_object_bytes(self) -> int | None:
        """The length of the largest object that can be stored."""

    def prepare(self) -> None:
        """Make the store ready and try it out; raises ``StorageError`` if it cannot be used."""

    def check(self) -> None:
        """Raise ``StorageError`` unless the store can be used now; takes two seconds at most."""

    def create(self, key: str) -> ObjectWriter:
        """Begin an object."""

    def open(self, key: str, start: int, stop: int) -> ObjectReader:
        """Read the bytes from ``start`` up to ``stop``; raises ``ObjectMissing``."""

    def delete(self, key: str) -> None:
        """Remove an object for good; one that is not there is fine."""

    def discard(self, key: str) -> None:
        """Remove whatever a writer left that was interrupted, a whole object included."""

    def keys(self) -> Iterator[str]:
        """Name every file's object in the store, and perhaps others."""
