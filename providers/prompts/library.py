"""What a user can do with prompts, on any store."""

import json
import re
from dataclasses import asdict

from llama_stack.apis.common.errors import ConflictError, ResourceNotFoundError
from llama_stack.apis.prompts import Prompt
from llama_stack.log import get_logger
from pydantic import BaseModel

from providers.access.records import Access, Owner
from providers.prompts.templates import check_variables
from providers.stores import Store, Transaction

# Keys and values are those of llama-stack's built-in service: each version's text is a JSON object under
# prompts:v1:ID:VERSION, and the number of the default version lies under prompts:v1:ID:default. What it does not know
# is the owner, whom each version names; one that does not is older than authentication.
PREFIX = "prompts:v1:"
DEFAULT = "default"
PROMPT_ID = re.compile(r"pmpt_[0-9a-f]{48}")

log = get_logger(name=__name__, category="core")


class _Owned(BaseModel):
    """What is kept with a version for us alone."""

    owner: Owner = Owner()


class PromptNotFoundError(ResourceNotFoundError):
    """There is no such prompt, or no such version of it, or the user may not see it."""

    def __init__(self, prompt_id: str, version: int | None = None) -> None:
        name = prompt_id if version is None else f"{prompt_id}, version {version}"
        super().__init__(name, "Prompt", "GET /v1/prompts")


class PromptLibrary:
    """The prompts in one store, as the user of the current request may see and handle them.

    A prompt's versions are numbered from 1 without gaps and never change. Whoever writes takes the key of the
    default as the lock of that prompt, and writes it. What the user sees and may not do raises AccessDeniedError.
    """

    def __init__(self, store: Store, access: Access) -> None:
        self._store = store
        self._access = access

    async def defaults(self) -> list[Prompt]:
        """Return the default version of every prompt that the user may see."""
        prompts = []
        for value in await self._store.targets(PREFIX, DEFAULT):
            try:
                prompt, owner = _decode(value, is_default=True)
            except ValueError as error:
                log.warning(f"A stored prompt cannot be read and is not listed: {error}")
                continue
            if self._access.may("read", prompt.prompt_id, owner):
                prompts.append(prompt)
        return sorted(prompts, key=lambda prompt: prompt.prompt_id, reverse=True)

    async def get(self, prompt_id: str, version: int | None) -> Prompt:
        """Return one version, or the default one; raises PromptNotFoundError."""
        default = await self._store.get(_default_key(prompt_id))
        wanted = default if version is None else str(version)
        value = None if wanted is None else await self._store.get(_version_key(prompt_id, wanted))
        if value is None:
            raise PromptNotFoundError(prompt_id, version)
        prompt, owner = _decode(value, is_default=wanted == default)
        self._require_visible(prompt_id, owner, version)
        return prompt

    async def versions(self, prompt_id: str) -> list[Prompt]:
        """Return all versions, oldest first; raises PromptNotFoundError."""
        values = await self._store.range(_prompt_prefix(prompt_id))
        default = values.pop(_default_key(prompt_id), None)
        if not values:
            raise PromptNotFoundError(prompt_id)
        default_value = None if default is None else values.get(_version_key(prompt_id, default))
        prompts = []
        for value in values.values():
            prompt, owner = _decode(value, is_default=value == default_value)
            self._require_visible(prompt_id, owner)
            prompts.append(prompt)
        return sorted(prompts, key=lambda prompt: prompt.version)

    async def create(self, template: str, variables: list[str]) -> Prompt:
        """Store a new prompt's first version; raises ValueError for variables that do not fit."""
        check_variables(template, variables)
        prompt_id = Prompt.generate_prompt_id()
        owner = self._access.require_create(prompt_id)
        prompt = Prompt(prompt_id=prompt_id, prompt=template, version=1, variables=variables, is_default=True)

        def write(transaction: Transaction) -> None:
            transaction.put(_version_key(prompt_id, "1"), _encode(prompt, owner))
            transaction.put(_default_key(prompt_id), "1")

        await self._store.transact(_default_key(prompt_id), write)
        return prompt

    async def update(
        self, prompt_id: str, template: str, version: int, variables: list[str], set_as_default: bool
    ) -> Prompt:
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
            owner = self._require("update", prompt_id, transaction)
            if transaction.get(_version_key(prompt_id, str(version))) is None:
                return False
            if transaction.get(_version_key(prompt_id, str(new))) is not None:
                return False
            transaction.put(_version_key(prompt_id, str(new)), _encode(prompt, owner))
            transaction.put(_default_key(prompt_id), str(new) if set_as_default else default)
            return True

        if not await self._store.transact(_default_key(prompt_id), write):
            latest = (await self.versions(prompt_id))[-1].version
            raise ConflictError(
                f"Version {version} of prompt {prompt_id} is not the latest, which is {latest}. "
                f"Look at version {latest}, then update that one."
            )
        return prompt

    async def delete(self, prompt_id: str) -> None:
        """Remove a prompt with all its versions; raises PromptNotFoundError."""

        def write(transaction: Transaction) -> None:
            keys = (_default_key(prompt_id), _version_key(prompt_id, "1"))
            if all(transaction.get(key) is None for key in keys):
                raise PromptNotFoundError(prompt_id)
            self._require("delete", prompt_id, transaction)
            transaction.delete(_prompt_prefix(prompt_id))

        await self._store.transact(_default_key(prompt_id), write)

    async def set_default(self, prompt_id: str, version: int) -> Prompt:
        """Make an existing version the default one and return it; raises PromptNotFoundError."""

        def write(transaction: Transaction) -> str:
            value = transaction.get(_version_key(prompt_id, str(version)))
            if value is None:
                raise PromptNotFoundError(prompt_id, version)
            self._require("update", prompt_id, transaction, version)
            transaction.put(_default_key(prompt_id), str(version))
            return value

        return _decode(await self._store.transact(_default_key(prompt_id), write), is_default=True)[0]

    def _require_visible(self, prompt_id: str, owner: Owner, version: int | None = None) -> None:
        if not self._access.may("read", prompt_id, owner):
            raise PromptNotFoundError(prompt_id, version)

    def _require(self, action: str, prompt_id: str, transaction: Transaction, version: int | None = None) -> Owner:
        """Return who owns a prompt that the user sees and may do this to."""
        first = transaction.get(_version_key(prompt_id, "1"))
        owner = Owner() if first is None else _decode(first, is_default=False)[1]
        self._require_visible(prompt_id, owner, version)
        self._access.require(action, prompt_id, owner)
        return owner


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


def _encode(prompt: Prompt, owner: Owner) -> str:
    # Which version is the default changes, and versions do not: the built-in service writes false as well.
    owned = {"owner": asdict(owner)} if owner.principal else {}
    return json.dumps(prompt.model_dump() | {"is_default": False} | owned)


def _decode(value: str, is_default: bool) -> tuple[Prompt, Owner]:
    prompt = Prompt.model_validate_json(value).model_copy(update={"is_default": is_default})
    return prompt, _Owned.model_validate_json(value).owner
