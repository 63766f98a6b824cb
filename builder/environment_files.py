"""Environment files, as `docker run --env-file` reads them."""

from collections.abc import Mapping
from pathlib import Path

from builder.errors import UserFileError
from formats.environment_file import BadEnvironmentFile, variables


def read(path: Path) -> dict[str, str]:
    """The variables in a file of NAME=VALUE lines; NAME alone stands for this process's own value.

    Raises UserFileError with the line, never with what is in it: that may be a secret.
    """
    try:
        return {name: value for _, name, value in variables(path)}
    except BadEnvironmentFile as error:
        if error.line is None:
            raise UserFileError(path, f"cannot be read: {error}") from error
        raise UserFileError(path, str(error), "correct the line", line=error.line) from error


def write(path: Path, values: Mapping[str, str]) -> dict[str, str]:
    """Write variables so that `read` finds them, and return those that it must find in its own environment.

    A line holds no value with line breaks, blanks at its end or bytes that are no text: of these the name alone is
    written.
    """
    elsewhere = {name: value for name, value in values.items() if not _fits_a_line(value)}
    lines = [name if name in elsewhere else f"{name}={value}" for name, value in values.items()]
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return elsewhere


def _fits_a_line(value: str) -> bool:
    is_text = value.encode("utf-8", errors="replace").decode() == value
    return is_text and value.splitlines() in ([], [value]) and value == value.rstrip()
