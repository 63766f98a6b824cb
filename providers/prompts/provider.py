"""The prompts API on a library of prompts."""

import asyncio

from llama_stack.apis.prompts import ListPromptsResponse, Prompt, Prompts
from llama_stack.core.access_control.datatypes import AccessRule
from llama_stack.providers.datatypes import HealthResponse, HealthStatus

from providers.access.records import Access
from providers.prompts.config import PromptsConfig
from providers.prompts.library import PromptLibrary
from providers.stores import open_store

HEALTH_TIMEOUT = 2.0  # seconds


class PromptsProvider(Prompts):
    """Versioned prompt templates."""

    def __init__(self, config: PromptsConfig, policy: list[AccessRule]) -> None:
        self._store = open_store(config.persistence)
        self._library = PromptLibrary(self._store, Access(policy, "prompt"))

    async def initialize(self) -> None:
        """Do nothing: the store is opened when it is first needed."""

    async def shutdown(self) -> None:
        """Close the store once what has begun is done."""
        await self._store.close()

    async def health(self) -> HealthResponse:
        """Say whether the store answers and can be written."""
        try:
            await asyncio.wait_for(self._store.check(), HEALTH_TIMEOUT)
        except TimeoutError:
            message = f"{self._store} did not answer within {HEALTH_TIMEOUT:g} seconds"
            return HealthResponse(status=HealthStatus.ERROR, message=message)
        except Exception as error:
            return HealthResponse(status=HealthStatus.ERROR, message=str(error))
        return HealthResponse(status=HealthStatus.OK)

    async def list_prompts(self) -> ListPromptsResponse:
        """Return the default version of every prompt that the user may see."""
        return ListPromptsResponse(data=await self._library.defaults())

    async def list_prompt_versions(self, prompt_id: str) -> ListPromptsResponse:
        """Return all versions of a prompt, oldest first."""
        return ListPromptsResponse(data=await self._library.versions(prompt_id))

    async def get_prompt(self, prompt_id: str, version: int | None = None) -> Prompt:
        """Return one version of a prompt, or the default one."""
        return await self._library.get(prompt_id, version)

    async def create_prompt(self, prompt: str, variables: list[str] | None = None) -> Prompt:
        """Store a new prompt."""
        return await self._library.create(prompt, variables or [])

    async def update_prompt(
        self,
        prompt_id: str,
        prompt: str,
        version: int,
        variables: list[str] | None = None,
        set_as_default: bool = True,
    ) -> Prompt:
        """Store the version after ``version``, which has to be the latest."""
        return await self._library.update(prompt_id, prompt, version, variables or [], set_as_default)

    async def delete_prompt(self, prompt_id: str) -> None:
        """Remove a prompt with all its versions."""
        await self._library.delete(prompt_id)

    async def set_default_version(self, prompt_id: str, version: int) -> Prompt:
        """Make an existing version the default one."""
        return await self._library.set_default(prompt_id, version)
