"""What can go wrong, and the exit code each kind of failure has. docs/exit-codes.md is their table."""

import difflib
import errno
from collections.abc import Iterable
from pathlib import Path

from builder.paths import shown


class KitError(Exception):
    """A failure the user is told of in a few lines, without a traceback. Exit code 1.

    The message says what is wrong and where; `advice` says what to do about it.
    """

    exit_code = 1

    def __init__(self, message: str, advice: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.advice = advice


class UsageError(KitError):
    """The command line is wrong."""

    exit_code = 2


class UserFileError(KitError):
    """A file of the user's is malformed, missing or out of date."""

    exit_code = 65

    def __init__(self, path: Path, message: str, advice: str = "", line: int | None = None) -> None:
        where = f"{shown(path)}:{line}" if line else shown(path)
        super().__init__(f"{where}: {message}", advice)


class AdvisoryError(KitError):
    """Advisories are broken, or not about what an image has."""

    exit_code = 65


class BaseImageError(KitError):
    """The image after --base-image will not do."""

    exit_code = 65


class UnreachableError(KitError):
    """An index, mirror, registry or engine is unreachable or refuses."""

    exit_code = 69


class OutputError(KitError):
    """Something cannot be written: no space, no permission, not a directory."""

    exit_code = 73


class NoRoomError(OutputError):
    """A disk is full."""


class RunConfigError(UserFileError):
    """A run config is wrong."""

    exit_code = 78


_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
_MAKE_ROOM = "make room on this disk"


def cannot_write(place: Path, error: OSError, elsewhere: str = "") -> OutputError:
    """The error for what the system did not write below `place`, with the system's own reason.

    The advice is to make room only where room is what is missing. `elsewhere` says how to write to another place.
    """
    stumbled = Path(error.filename or place)
    beside = stumbled in (place, place.parent) or stumbled.parent == place.parent
    reason = _reason(error) if beside else f"{shown(stumbled)}: {_reason(error)}"
    advice = [_MAKE_ROOM] if error.errno in _NO_ROOM else []
    advice += [elsewhere] if elsewhere else []
    kind = NoRoomError if error.errno in _NO_ROOM else OutputError
    return kind(f"{shown(place)} cannot be written: {reason}", ", or ".join(advice))


def of_system(error: OSError) -> KitError:
    """The error for a refusal of the system that nobody expected."""
    where = f"{error.filename}: " if error.filename else ""
    if error.errno in _NO_ROOM:
        return NoRoomError(f"{where}{_reason(error)}", _MAKE_ROOM)
    kind = OutputError if error.errno == errno.EROFS else KitError
    return kind(f"{where}{_reason(error)}")


def _reason(error: OSError) -> str:
    return error.strerror or str(error) or type(error).__name__


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """The nearest of the names that exist, as the end of a message about one that does not; empty if none is near."""
    matches = difflib.get_close_matches(name, list(names), n=3, cutoff=0.5)
    return f"; did you mean {' or '.join(matches)}?" if matches else ""
