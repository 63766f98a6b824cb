"""Objects as files in a directory."""

import errno
import os
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from io import BufferedWriter, FileIO
from pathlib import Path

from providers.files.errors import ObjectMissing, StorageError, StorageFull

_UNFINISHED = ".unfinished"
_PROBE = ".probe"
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class Directory:
    """An object is a file named like its key; one in the making lies in a directory below."""

    block_bytes = 1 << 20
    max_object_bytes = None

    def __init__(self, path: Path) -> None:
        self._path = path

    def prepare(self) -> None:
        """Make the directory and write a file there."""
        with _storage_errors(self._path):
            (self._path / _UNFINISHED).mkdir(parents=True, exist_ok=True)
        self.check()

    def check(self) -> None:
        """Write a file and remove it."""
        probe = self._path / _UNFINISHED / f"{_PROBE}-{os.getpid()}-{os.urandom(4).hex()}"
        with _storage_errors(self._path):
            try:
                with probe.open("xb") as file:
                    file.write(b"\0")
                    os.fsync(file.fileno())
            finally:
                probe.unlink(missing_ok=True)

    def create(self, key: str) -> "DirectoryWriter":
        """Begin a file."""
        with _storage_errors(self._path):
            return DirectoryWriter(self._unfinished(key), self._path / key)

    def open(self, key: str, start: int, stop: int) -> "DirectoryReader":
        """Open a file."""
        with _storage_errors(self._path):
            try:
                return DirectoryReader(self._path / key, start, stop)
            except FileNotFoundError as error:
                raise ObjectMissing(key) from error

    def delete(self, key: str) -> None:
        """Remove a file; it is gone after a power cut, too."""
        with _storage_errors(self._path):
            (self._path / key).unlink(missing_ok=True)
            _sync_directory(self._path)

    def discard(self, key: str) -> None:
        """Remove a file, finished or not."""
        with _storage_errors(self._path):
            self._unfinished(key).unlink(missing_ok=True)
        self.delete(key)

    def keys(self) -> Iterator[str]:
        """Name what lies in the directory."""
        with _storage_errors(self._path), os.scandir(self._path) as entries:
            for entry in entries:
                yield entry.name

    def _unfinished(self, key: str) -> Path:
        return self._path / _UNFINISHED / key


class DirectoryWriter:
    """A file that appears under its name with all of its content, or not at all."""

    def __init__(self, unfinished: Path, finished: Path) -> None:
        self._unfinished = unfinished
        self._finished = finished
        self._file: BufferedWriter = unfinished.open("xb")

    def write(self, block: bytes | bytearray) -> None:
        """Append."""
        with _storage_errors(self._finished.parent):
            self._file.write(block)

    def commit(self) -> None:
        """Put content and name on disk, in this order."""
        with _storage_errors(self._finished.parent):
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            self._unfinished.rename(self._finished)
            _sync_directory(self._finished.parent)

    def abort(self) -> None:
        """Remove the file if it is not finished."""
        with suppress(OSError):
            self._file.close()
        with suppress(OSError):
            self._unfinished.unlink(missing_ok=True)


class DirectoryReader:
    """A stretch of a file, which may be removed in the meantime."""

    def __init__(self, path: Path, start: int, stop: int) -> None:
        self._file = FileIO(path)
        self.object_bytes = os.fstat(self._file.fileno()).st_size
        self._file.seek(start)
        self._left = stop - start

    def read(self, count: int) -> bytes:
        """Return what comes next."""
        block = self._file.read(min(count, self._left)) or b""
        self._left -= len(block)
        return block

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _sync_directory(path: Path) -> None:
    """Put the names in a directory on disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _storage_errors(directory: Path) -> Generator[None]:
    """Say what an error of the operating system means for the operator."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise StorageFull(f"The disk of storage_dir {directory} is full.") from error
        advice = "Check the volume that is mounted there."
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            advice = (
                f"Mount a volume there that user {os.geteuid()} or group {os.getegid()} may write to, or name "
                "another storage_dir."
            )
        raise StorageError(f"Files cannot be kept in storage_dir {directory}: {error}", advice) from error
