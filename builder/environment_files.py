"""Environment files, as `docker run --env-file` reads them."""

from pathlib import Path

from builder.errors import UserFileError
from formats.environment_file import BadEnvironmentFile, variables


def read(path: Path) -> dict[str, str]:
    """The variables in a file of NAME=VALUE lines; NAME alone stands for this process's own value.

    Raises UserFileError with the line, never with what is in it: that may be a secret.
    """
    found = {}
    try:
        for number, name, value in variables(path):
            if "\n" in value:
                message = f"{name} has several lines in this environment"
                raise UserFileError(path, message, "write NAME=VALUE", line=number)
            found[name] = value
    except BadEnvironmentFile as error:
        if error.line is None:
            raise UserFileError(path, f"cannot be read: {error}") from error
        raise UserFileError(path, str(error), "correct the line", line=error.line) from error
    return found
