"""A first look at the run config that goes into an image: is it YAML at all? The image verifies the rest."""

from pathlib import Path

import yaml

from builder.errors import RunConfigError


def content(path: Path) -> bytes:
    """What is in a run config; raises RunConfigError if it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise RunConfigError(path, f"cannot be read: {error.strerror}") from error


def check(path: Path) -> None:
    """Raise RunConfigError with the line if `path` is not a YAML mapping."""
    try:
        document = yaml.safe_load(content(path).decode("utf-8"))
    except UnicodeDecodeError as error:
        raise RunConfigError(path, f"is not UTF-8 text (byte {error.start})") from error
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        raise RunConfigError(path, f"is not YAML: {error.problem}", line=line) from error
    except (yaml.YAMLError, ValueError) as error:
        raise RunConfigError(path, f"is not YAML: {error}") from error
    if not isinstance(document, dict):
        raise RunConfigError(path, "is not a run config: a mapping with `version: 2` was expected")
