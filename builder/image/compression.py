"""gzip that gives the same bytes on every machine, on every processor at once.

libdeflate compresses: its output depends on the input alone, where faster compressors choose by processor
and zlib's depends on who built it. The stream is cut into gzip members of a fixed size, which every
container runtime reads as one, so that threads can compress side by side.
"""

import hashlib
import io
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import BinaryIO

import deflate

from builder import sandbox

MEMBER_BYTES = 8 * 2**20
LEVEL = 6
FORMAT = f"gzip libdeflate {deflate.__version__} level {LEVEL} members {MEMBER_BYTES}"
"""Names the bytes this module makes: part of the key of everything that is cached compressed."""


class ParallelGzip(io.RawIOBase):
    """A write-only stream that compresses into `target`; sizes and digests are valid once closed."""

    def __init__(self, target: BinaryIO) -> None:
        self._target = target
        self._member = bytearray(MEMBER_BYTES)
        self._filled = 0
        self._pool = ThreadPoolExecutor(max_workers=sandbox.processors())
        self._members: deque[Future[bytearray]] = deque()
        self._plain_hash = hashlib.sha256()
        self._compressed_hash = hashlib.sha256()
        self.plain_size = 0
        self.compressed_size = 0

    @property
    def plain_digest(self) -> str:
        """`sha256:...` of what was written."""
        return f"sha256:{self._plain_hash.hexdigest()}"

    @property
    def compressed_digest(self) -> str:
        """`sha256:...` of what went into the target."""
        return f"sha256:{self._compressed_hash.hexdigest()}"

    def tell(self) -> int:
        return self.plain_size

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        self._plain_hash.update(data)
        self.plain_size += len(data)
        rest = memoryview(data)
        while rest:
            fitting = rest[: MEMBER_BYTES - self._filled]
            self._member[self._filled : self._filled + len(fitting)] = fitting
            self._filled += len(fitting)
            rest = rest[len(fitting) :]
            if self._filled == MEMBER_BYTES:
                self._submit(self._member)
                self._member, self._filled = bytearray(MEMBER_BYTES), 0
        return len(data)

    def close(self) -> None:
        if not self.closed:
            if self._filled or not self.plain_size:
                self._submit(self._member[: self._filled])
            while self._members:
                self._emit()
            self._pool.shutdown()
        super().close()

    def _submit(self, member: bytearray) -> None:
        self._members.append(self._pool.submit(deflate.gzip_compress, member, LEVEL))
        if len(self._members) > 2 * sandbox.processors():  # bounds the memory in use
            self._emit()

    def _emit(self) -> None:
        compressed = bytes(self._members.popleft().result())
        self._compressed_hash.update(compressed)
        self.compressed_size += len(compressed)
        self._target.write(compressed)
