"""What can be done with prompts, on any store. Everything here waits for the store."""

import json
import re
from collections.abc import Iterable

from llama_stack.apis.common.errors import ConflictError, ResourceNotFoundError
from llama_stack.apis.prompts import Prompt
from llama_stack.log import get_logger

from providers.prompts.templates import check_variables
from providers.stores import Store, Transaction

# Keys and values are those of llama-stack's built-in service: each version's text is a JSON object under
# prompts:v1:ID:VERSION, and the number of the default version lies under prompts:v1:ID:default.
PREFIX = "prompts:v1:"
DEFAULT = "default"
PROMPT_ID = re.compile(r"pmpt_[0-9a-f]{48}")

log = get_logger(name=__name__, category="core")


class PromptNotFoundError(ResourceNotFoundError):
    """There is no such prompt, or no such version of it."""

    def __init__(self, prompt_id: str, version: int | None = None) -> None:
        name = prompt_id if version is None else f"{prompt_id}, version {version}"
        super().__init__(name, "Prompt", "GET /v1/prompts")


class PromptLibrary:
    """The prompts in one store.

    A prompt's versions are numbered from 1 without gaps and never change. Whoever writes takes the key of the
    default as the lock of that prompt, and writes it.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def defaults(self) -> list[Prompt]:
        """Return the default version of every prompt."""
        values = self._store.targets(PREFIX, DEFAULT)
        return sorted(_readable(values), key=lambda prompt: prompt.prompt_id, reverse=True)

    def get(self, prompt_id: str, version: int | None) -> Prompt:
        """Return one version, or the default one; raises PromptNotFoundError."""
        default = self._store.get(_default_key(prompt_id))
        wanted = default if version is None else str(version)
        value = None if wanted is None else self._store.get(_version_key(prompt_id, wanted))
        if value is None:
            raise PromptNotFoundError(prompt_id, version)
        return _decode(value, is_default=wanted == default)

    def versions(self, prompt_id: str) -> list[Prompt]:
        """Return all versions, oldest first; raises PromptNotFoundError."""
        values = self._store.range(_prompt_prefix(prompt_id))
        default = values.pop(_default_key(prompt_id), None)
        if not values:
            raise PromptNotFoundError(prompt_id)
        default_value = None if default is None else values.get(_version_key(prompt_id, default))
        prompts = [_decode(value, is_default=value == default_value) for value in values.values()]
        return sorted(prompts, key=lambda prompt: prompt.version)

    def create(self, template: str, variables: list[str]) -> Prompt:
        """Store a new prompt's first version; raises ValueError for variables that do not fit."""
        check_variables(template, variables)
        prompt_id = Prompt.generate_prompt_id()
        prompt = Prompt(prompt_id=prompt_id, prompt=template, version=1, variables=variables, is_default=True)

        def write(transaction: Transaction) -> None:
            transaction.put(_version_key(prompt_id, "1"), _encode(prompt))
            transaction.put(_default_key(prompt_id), "1")

        self._store.transact(_default_key(prompt_id), write)
        return prompt

    def update(self, prompt_id: str, template: str, version: int, variables: list[str], set_as_default: bool) -> Prompt:
        """Store the version after ``version``, which has to be the latest.

        Raises ConflictError with the latest version if it is not, PromptNotFoundError, or ValueError for
        variables that do not fit.
        """
        if version < 1:
            raise ValueError("version has to be 1 or more")
        check_variables(template, variables)
        new = version + 1
        prompt = Prompt(
            prompt_id=_checked(prompt_id),
            prompt=template,
            version=new,
            variables=variables,
            is_default=set_as_default,
        )

        def write(transaction: Transaction) -> bool:
            default = transaction.get(_default_key(prompt_id))
            if default is None:
                raise PromptNotFoundError(prompt_id)
            if transaction.get(_version_key(prompt_id, str(version))) is None:
                return False
            if transaction.get(_version_key(prompt_id, str(new))) is not None:
                return False
            transaction.put(_version_key(prompt_id, str(new)), _encode(prompt))
            transaction.put(_default_key(prompt_id), str(new) if set_as_default else default)
            return True

        if not self._store.transact(_default_key(prompt_id), write):
            latest = self.versions(prompt_id)[-1].version
            raise ConflictError(
                f"Version {version} of prompt {prompt_id} is not the latest, which is {latest}. "
                f"Look at version {latest}, then update that one."
            )
        return prompt

    def delete(self, prompt_id: str) -> None:
        """Remove a prompt with all its versions; raises PromptNotFoundError."""
        prefix = _prompt_prefix(prompt_id)
        if not self._store.transact(_default_key(prompt_id), lambda transaction: transaction.delete(prefix)):
            raise PromptNotFoundError(prompt_id)

    def set_default(self, prompt_id: str, version: int) -> Prompt:
        """Make an existing version the default one and return it; raises PromptNotFoundError."""

        def write(transaction: Transaction) -> str:
            value = transaction.get(_version_key(prompt_id, str(version)))
            if value is None:
                raise PromptNotFoundError(prompt_id, version)
            transaction.put(_default_key(prompt_id), str(version))
            return value

        return _decode(self._store.transact(_default_key(prompt_id), write), is_default=True)


def _checked(prompt_id: str) -> str:
    if not PROMPT_ID.fullmatch(prompt_id):
        raise PromptNotFoundError(prompt_id)
    return prompt_id


def _prompt_prefix(prompt_id: str) -> str:
    return f"{PREFIX}{_checked(prompt_id)}:"


def _default_key(prompt_id: str) -> str:
    return f"{_prompt_prefix(prompt_id)}{DEFAULT}"


def _version_key(prompt_id: str, version: str) -> str:
    return f"{_prompt_prefix(prompt_id)}{version}"


def _encode(prompt: Prompt) -> str:
    # Which version is the default changes, and versions do not: the built-in service writes false as well.
    return json.dumps(prompt.model_dump() | {"is_default": False})


def _decode(value: str, is_default: bool) -> Prompt:
    return Prompt.model_validate_json(value).model_copy(update={"is_default": is_default})


def _readable(values: Iterable[str]) -> Iterable[Prompt]:
    for value in values:
        try:
            yield _decode(value, is_default=True)
        except ValueError as error:
            log.warning(f"A stored prompt cannot be read and is not listed: {error}")
