"""The prompts API."""

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest
from llama_stack.apis.common.errors import ConflictError
from llama_stack.core.storage.datatypes import SqliteKVStoreConfig
from llama_stack.providers.utils.kvstore import kvstore
from pydantic import ValidationError

from providers.prompts import get_provider_impl
from providers.prompts.config import PromptsConfig
from providers.prompts.library import PromptNotFoundError
from providers.prompts.provider import PromptsProvider

CONFIG = {"persistence": {"backend": "kv_default"}}


@pytest.fixture
def backend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of a backend as if a run config had it."""
    path = tmp_path / "state" / "kv.db"
    monkeypatch.setattr(kvstore, "_KVSTORE_BACKENDS", {"kv_default": SqliteKVStoreConfig(db_path=str(path))})
    return path


@pytest.fixture
def provider(backend: Path) -> PromptsProvider:
    """A provider made in another event loop than the one that uses it."""
    return asyncio.run(get_provider_impl(PromptsConfig.model_validate(CONFIG), {}, []))


def run[T](provider: PromptsProvider, work: Coroutine[Any, Any, T]) -> T:
    """Do something with the provider, and shut it down."""

    async def use() -> T:
        try:
            return await work
        finally:
            await provider.shutdown()

    return asyncio.run(use())


def test_a_prompt_from_its_creation_to_its_end(provider: PromptsProvider) -> None:
    async def use() -> None:
        await provider.initialize()
        created = await provider.create_prompt("Hello")
        second = await provider.update_prompt(created.prompt_id, "Hello {{ you }}", 1, ["you"], set_as_default=False)
        assert (created.variables, second.version) == ([], 2)
        assert await provider.get_prompt(created.prompt_id) == created
        assert (await provider.set_default_version(created.prompt_id, 2)).prompt == "Hello {{ you }}"
        assert [prompt.version for prompt in (await provider.list_prompts()).data] == [2]
        assert [prompt.version for prompt in (await provider.list_prompt_versions(created.prompt_id)).data] == [1, 2]
        await provider.delete_prompt(created.prompt_id)
        with pytest.raises(PromptNotFoundError):
            await provider.get_prompt(created.prompt_id)

    run(provider, use())


def test_of_those_that_update_the_same_version_one_succeeds(provider: PromptsProvider) -> None:
    async def use() -> None:
        prompt_id = (await provider.create_prompt("1")).prompt_id
        updates = (provider.update_prompt(prompt_id, str(number), 1) for number in range(8))
        results = await asyncio.gather(*updates, return_exceptions=True)
        assert sorted(type(result).__name__ for result in results) == [*[ConflictError.__name__] * 7, "Prompt"]
        assert len((await provider.list_prompt_versions(prompt_id)).data) == 2

    run(provider, use())


def test_health_says_whether_the_store_can_be_used(provider: PromptsProvider, backend: Path) -> None:
    async def use() -> None:
        backend.parent.touch()  # a file where the directory of the state should be
        broken = await provider.health()
        assert broken["status"] == "Error"
        assert f"The SQLite file {backend} cannot be used" in broken["message"]
        backend.parent.unlink()
        assert await provider.health() == {"status": "OK"}

    run(provider, use())


@pytest.mark.parametrize(
    ("config", "place"),
    [
        ({}, ("persistence",)),
        ({"persistence": {}}, ("persistence", "backend")),
        ({"persistence": {"backend": "kv_default", "namespace": ""}}, ("persistence", "namespace")),
        ({**CONFIG, "unknown": 1}, ("unknown",)),
    ],
)
def test_a_config_that_is_wrong(config: dict[str, Any], place: tuple[str, ...]) -> None:
    with pytest.raises(ValidationError) as raised:
        PromptsConfig.model_validate(config)
    assert [error["loc"] for error in raised.value.errors()] == [place]


def test_the_sample_is_a_config_with_upstreams_namespace() -> None:
    assert PromptsConfig.model_validate(PromptsConfig.sample_run_config()).persistence.namespace == "prompts"
    assert PromptsConfig.model_validate(CONFIG).persistence.namespace == "prompts"
