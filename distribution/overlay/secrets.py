"""Secrets, taken from files and kept out of the log, of answers and of spans."""

import os
from typing import Any

from distribution.overlay.declaration import change
from distribution.verification.expansion import converted, references_in
from distribution.verification.masking import without_secrets
from distribution.verification.variable_files import VariableFiles, variable_files


@change(
    "llama_stack.core.utils.config:redact_sensitive_fields",
    takes=("data",),
    why="Upstream masks values by a short list of names: passwords in URLs, tokens and keys of other names are "
    "logged at the start and shown by /v1/providers.",
    reference="llamastack/llama-stack#4324, #4325",
    fixed_in="0.4.0 in part",
)
def redact_sensitive_fields(original: Any) -> Any:
    def redact_sensitive_fields(data: dict[str, Any]) -> Any:
        return without_secrets(data)

    return redact_sensitive_fields


class _Expanded(str):
    """A text into which the content of a file has gone: whatever is in it, nothing is expanded any more."""

    __slots__ = ()


@change(
    "llama_stack.core.stack:replace_env_vars",
    takes=("config", "path"),
    why="A secret can be given in an environment variable only, where every child process inherits it and /proc shows "
    "it; a password of digits becomes a number, and a `~` at its beginning a directory. Here `NAME_FILE` names a file "
    "that holds it.",
)
def replace_env_vars(original: Any) -> Any:
    def replace_env_vars(config: Any, path: str = "") -> Any:
        if isinstance(config, _Expanded):
            return str(config)
        if not path:  # the whole config; upstream calls this again for each part
            config = with_files(config, variable_files(config, os.environ))
        return original(config, path)

    return replace_env_vars


def with_files(value: Any, files: VariableFiles) -> Any:
    """Return a config in which all that refers to a variable from a file is expanded.

    Raises BadVariableFile, which a verified config does not.
    """
    for problem in files.problems.values():
        raise problem
    return _with_files(value, files) if files.values else value


def _with_files(value: Any, files: VariableFiles) -> Any:
    if isinstance(value, dict):
        return {key: _with_files(item, files) for key, item in value.items()}
    if isinstance(value, list):
        return [_with_files(item, files) for item in value]
    if isinstance(value, str) and any(reference.name in files.values for reference in references_in(value)):
        expanded = converted(value, os.environ, files.values)
        return _Expanded(expanded) if isinstance(expanded, str) else expanded
    return value
