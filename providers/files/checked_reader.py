"""Reading that notices a damaged content before its last byte is handed out."""

import hashlib
from threading import Lock

from providers.files.errors import FileDamaged, ObjectMissing
from providers.files.objects import ObjectStore
from providers.files.records import FileRecord


class CheckedReader:
    """The bytes of a file from ``start`` up to ``stop``, hashed on the way if that is all of it.

    Reading and closing may happen in different threads.
    """

    def __init__(self, objects: ObjectStore, file: FileRecord, start: int, stop: int) -> None:
        """Open the object; raises ``FileDamaged`` if it is missing or has another length."""
        try:
            self._reader = objects.open(file.id, start, stop)
        except ObjectMissing as error:
            raise FileDamaged(file.id, FileDamaged.MISSING) from error
        if self._reader.object_bytes != file.bytes:
            self._reader.close()
            raise FileDamaged(file.id, FileDamaged.WRONG_LENGTH)
        self._file = file
        self._left = stop - start
        self._is_whole = self._left == file.bytes
        self._digest = hashlib.sha256()
        self._lock = Lock()

    @property
    def sha256(self) -> str | None:
        """What a whole content was hashed to, once it has been read to its end."""
        return self._digest.hexdigest() if self._is_whole and not self._left else None

    def read(self, count: int) -> bytes:
        """Return up to ``count`` bytes, none at the end; raises ``FileDamaged`` in place of the last."""
        with self._lock:
            if not self._left:
                return b""
            block = self._reader.read(min(count, self._left))
            if not block:
                raise FileDamaged(self._file.id, FileDamaged.WRONG_LENGTH)
            self._left -= len(block)
            if self._is_whole:
                self._digest.update(block)
            if self.sha256 and self._file.sha256 not in (None, self.sha256):
                raise FileDamaged(self._file.id, FileDamaged.WRONG_SHA256)
            return block

    def close(self) -> None:
        """Let go of the object, once no thread reads any more."""
        with self._lock:
            self._reader.close()
