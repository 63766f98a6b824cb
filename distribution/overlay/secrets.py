"""Secrets, taken from files and kept out of the log and of answers."""

import logging
import os
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from distribution.overlay.declaration import change
from distribution.verification.expansion import converted, references_in
from distribution.verification.masking import of_request, without_secrets
from distribution.verification.variable_files import VariableFiles, variable_files

log = logging.getLogger(__name__)

# What a client sends is looked for in every line of the log: shorter words would hide ordinary ones.
SHORTEST_OF_REQUEST = 8


@change(
    "llama_stack.core.utils.config:redact_sensitive_fields",
    takes=("data",),
    why="Upstream masks values by a short list of names: passwords in URLs, tokens and keys of other names are "
    "logged at the start and shown by /v1/providers.",
    reference="llamastack/llama-stack#4324, #4325",
    fixed_in="0.4.0 in part",
    advisory="tokens-in-logs",
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


@change(
    "llama_stack.core.request_headers:request_provider_data_context",
    takes=("headers", "auth_attributes"),
    why="Keys that a request brings in X-LlamaStack-Provider-Data, and its token, are quoted by what is logged of it.",
    reference="llamastack/llama-stack#4939",
    fixed_in="0.6.0 in part",
    advisory="keys-in-logs",
)
def request_provider_data_context(original: Any) -> Any:
    def request_provider_data_context(headers: Mapping[str, str], auth_attributes: Any = None) -> Any:
        context = original(headers, auth_attributes)
        brought = [*_words(context.provider_data), *_words(headers.get("authorization", ""))]
        of_request.set(frozenset(word for word in brought if len(word) >= SHORTEST_OF_REQUEST))
        return context

    return request_provider_data_context


def _words(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for item in value.values():
            yield from _words(item)
    elif isinstance(value, list):
        for item in value:
            yield from _words(item)
    elif isinstance(value, str | int | float):
        yield from str(value).split()  # of `Bearer abc` both


@change(
    "llama_stack.core.request_headers:NeedsRequestProviderData.get_request_provider_data",
    takes=("self",),
    why="Where X-LlamaStack-Provider-Data does not fit, the log quotes what is in it, a key among it.",
    reference="llamastack/llama-stack#4939",
    fixed_in="0.6.0 in part",
    advisory="keys-in-logs",
)
def get_request_provider_data(original: Any) -> Any:
    def get_request_provider_data(self: Any) -> Any:
        from llama_stack.core.request_headers import PROVIDER_DATA_VAR
        from llama_stack.core.utils.dynamic import instantiate_class_type

        spec = self.__provider_spec__
        if not (spec and spec.provider_data_validator and PROVIDER_DATA_VAR.get()):
            return original(self)
        try:
            return instantiate_class_type(spec.provider_data_validator)(**PROVIDER_DATA_VAR.get())
        except ValidationError as error:
            wrong = "; ".join(
                f"{'.'.join(map(str, one['loc']))}: {one['type']}" for one in error.errors(include_input=False)
            )
            log.error("X-LlamaStack-Provider-Data does not fit %s: %s", spec.provider_type, wrong)
            return None

    return get_request_provider_data


@change(
    "llama_stack.providers.remote.vector_io.pgvector.config:PGVectorVectorIOConfig.__repr_args__",
    takes=("self",),
    why="pgvector logs its whole config, the password with it.",
    reference="llamastack/llama-stack#4439",
    fixed_in="0.4.0",
    advisory="passwords-in-logs",
)
def repr_args(original: Any) -> Any:
    def repr_args(self: Any) -> Iterator[tuple[str | None, Any]]:
        for name, value in original(self):
            yield name, without_secrets({name: value})[name] if name else value

    return repr_args


@change(
    "llama_stack.providers.inline.agents.meta_reference.agent_instance:logger",
    why="The arguments of each tool call of an agent, which are made of what its user said, are logged.",
    reference="llamastack/llama-stack#4055",
    fixed_in="0.4.0",
    advisory="user-text-in-logs",
)
def logger(adapter: Any) -> Any:
    def without_arguments(record: logging.LogRecord) -> bool:
        record.msg = str(record.msg).partition(" with args: ")[0]
        return True

    adapter.logger.addFilter(without_arguments)
    return adapter
