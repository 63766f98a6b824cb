"""Environment files, as `docker run --env-file` reads them."""

import os
from pathlib import Path

from builder.errors import UserFileError


def read(path: Path) -> dict[str, str]:
    """The variables in a file of NAME=VALUE lines; NAME alone stands for this process's own value.

    Raises UserFileError with the line, never with what is in it: that may be a secret.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserFileError(path, f"cannot be read: {getattr(error, 'strerror', None) or 'not UTF-8 text'}") from error
    variables = {}
    for number, line in enumerate(lines, start=1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        name, equals, value = text.partition("=")
        if not name or " " in name:
            raise UserFileError(path, "is not NAME=VALUE", "correct the line", line=number)
        value = value if equals else os.environ.get(name, "")
        if "\n" in value:
            raise UserFileError(path, f"{name} has several lines in this environment", "write NAME=VALUE", line=number)
        variables[name] = value
    return variables
