"""The RECORD of an installed wheel: its files with their hashes and sizes."""

import base64
import csv
import hashlib
import io
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

Row = list[str]
"""Path relative to the site directory, `algorithm=digest` in URL-safe base64 (or empty), size (or empty)."""


@dataclass(frozen=True)
class ChangedFile:
    """A file whose content is not what its wheel's record says."""

    record: Path
    path: str
    recorded: str
    found: str
    """As in a record; empty if the file is not there."""

    @property
    def package(self) -> str:
        """The name of the file's distribution."""
        return self.record.parent.name.partition("-")[0]


def record_files(site: Path) -> list[Path]:
    """The records in a site directory, sorted."""
    return sorted(site.glob("*.dist-info/RECORD"))


def read(record: Path) -> list[Row]:
    """The rows of a record."""
    with record.open(newline="", encoding="utf-8") as stream:
        return [row for row in csv.reader(stream) if row]


def write(record: Path, rows: Iterable[Row]) -> None:
    """Replace a record; the file that was there may be a hard link into uv's cache."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    record.unlink()
    record.write_text(text.getvalue(), encoding="utf-8")


def changed_files(site: Path) -> list[ChangedFile]:
    """The files below a site directory that are not what their wheels brought."""
    with ThreadPoolExecutor() as pool:
        return list(chain.from_iterable(pool.map(lambda record: list(_changed(record)), record_files(site))))


def _changed(record: Path) -> Iterator[ChangedFile]:
    for path, recorded, *_ in read(record):
        algorithm = recorded.partition("=")[0]
        if algorithm:
            found = _digest(record.parent.parent / path, algorithm)
            if found != recorded:
                yield ChangedFile(record, path, recorded, found)


def _digest(path: Path, algorithm: str) -> str:
    try:
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, algorithm).digest()
    except FileNotFoundError:
        return ""
    return f"{algorithm}={base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"
