"""Environment files, as `docker run --env-file` reads them."""

import os
from collections.abc import Iterator
from pathlib import Path


class BadEnvironmentFile(Exception):
    """An environment file cannot be read, or has a line that is none; the message never shows it: it may be a secret.

    `line` is None for a file that cannot be read.
    """

    def __init__(self, message: str, line: int | None = None) -> None:
        super().__init__(message)
        self.line = line


def variables(path: Path) -> Iterator[tuple[int, str, str]]:
    """Yield line number, name and value of each NAME=VALUE; NAME alone stands for this process's own value."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BadEnvironmentFile(getattr(error, "strerror", None) or "not UTF-8 text") from error
    for number, line in enumerate(lines, start=1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        name, equals, value = text.partition("=")
        if not name or " " in name:
            raise BadEnvironmentFile("is not NAME=VALUE", number)
        yield number, name, value if equals else os.environ.get(name, "")
