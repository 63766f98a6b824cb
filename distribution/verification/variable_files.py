"""Variables whose value is in a file: `NAME_FILE` names the file that holds what `${env.NAME}` stands for.

Container images take their secrets so. The value is never put into the environment, where every child process and
/proc would show it. It is text and stays text: a password of digits is no number.
"""

import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SUFFIX = "_FILE"
# As much as a Secret of Kubernetes may hold.
MOST_BYTES = 1_048_576

_NAME = re.compile(r"\${env\.([A-Z0-9_]+)")


class BadVariableFile(Exception):
    """A file gives no value; the message never shows what is in the file."""

    def __init__(self, problem: str, advice: str) -> None:
        super().__init__(problem)
        self.advice = advice


@dataclass(frozen=True)
class VariableFiles:
    """What the files give of the variables that a run config names."""

    values: Mapping[str, str] = field(default_factory=dict)
    """NAME -> what its file holds."""
    unread: Mapping[str, str] = field(default_factory=dict)
    """NAME -> the path of a file that only the target has: the variable is set, and nobody here knows to what."""
    problems: Mapping[str, BadVariableFile] = field(default_factory=dict)
    """NAME -> why its file gives no value."""

    @property
    def unknown(self) -> set[str]:
        """The variables that are set to what is not known."""
        return {*self.unread, *self.problems}


def variable_files(data: Any, environment: Mapping[str, str], *, here: bool = True) -> VariableFiles:
    """Read the files of all variables in a run config, or take note of them where this machine is not the target.

    NAME_FILE names no file where the config has `${env.NAME_FILE}` too: then it is a variable of its own.
    """
    values: dict[str, str] = {}
    unread: dict[str, str] = {}
    problems: dict[str, BadVariableFile] = {}
    names = set(_names_in(data))
    for name in sorted(names):
        path = environment.get(name + SUFFIX)
        if not path or name + SUFFIX in names:
            continue
        try:
            if environment.get(name):
                raise BadVariableFile(f"is set, and {name} too", f"Set {name + SUFFIX} or {name}, not both.")
            if not path.startswith("/"):
                raise BadVariableFile(
                    "is no absolute path",
                    "Set it to the path of the file, from / on. What it is set to is not shown: it may be the secret.",
                )
            if here:
                values[name] = _content(Path(path))
            else:
                unread[name] = path
        except BadVariableFile as problem:
            problems[name] = BadVariableFile(f"The variable {name + SUFFIX} {problem}.", problem.advice)
    return VariableFiles(values, unread, problems)


def _names_in(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [name for item in value.values() for name in _names_in(item)]
    if isinstance(value, list):
        return [name for item in value for name in _names_in(item)]
    return _NAME.findall(value) if isinstance(value, str) else []


def _content(path: Path) -> str:
    """Return the text of a file without the line breaks at its end.

    Raises BadVariableFile with a predicate as its message.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # a pipe would keep the start waiting
            kind = "a directory" if path.is_dir() else "no regular file"
            raise BadVariableFile(f"names {path}, which is {kind}", "Name the file that holds the value.")
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except FileNotFoundError as error:
        raise BadVariableFile(f"names {path}, which is not there", "Mount the file, or correct the path.") from error
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise BadVariableFile(
            f"names {path}, which cannot be read: {reason}", "Make the file readable for the user of this image."
        ) from error
    if len(content) > MOST_BYTES:
        raise BadVariableFile(f"names {path}, which has more than 1 MiB", "Name the file that holds the value alone.")
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise _no_text(path) from error
    if "\0" in text:
        raise _no_text(path)
    if not (value := text.rstrip("\r\n")):
        raise BadVariableFile(f"names {path}, which is empty", "Write the value into it, or do not set the variable.")
    return value


def _no_text(path: Path) -> BadVariableFile:
    return BadVariableFile(f"names {path}, which is not UTF-8 text", "Write the value into it as text.")
