"""The provider as llama-stack itself uses it: in process, with whole contents and with things that are no uploads."""

import asyncio
import io
import os
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest
import yaml
from fastapi import UploadFile
from llama_stack.apis.datatypes import Api
from llama_stack.apis.files import OpenAIFilePurpose
from llama_stack.core.distribution import get_provider_registry
from llama_stack.core.library_client import AsyncLlamaStackAsLibraryClient
from llama_stack.core.storage.datatypes import SqlStoreReference
from llama_stack.providers.inline.batches.reference.batches import AsyncBytesIO

from providers.files.config import LocalFilesConfig
from providers.files.errors import FileDamaged, FileTooLarge
from providers.files.local import get_provider_impl
from providers.files.provider import FilesProvider
from providers.registry.files import available_providers
from tests.support.run_configs import run_config

# Some blocks of a disk.
CONTENT = os.urandom((3 << 20) + 1)
ASSISTANTS = OpenAIFilePurpose.ASSISTANTS


@pytest.fixture
def client(tmp_path: Path) -> Any:
    """llama-stack's library client, made in an event loop that ends before the tests' own begins."""
    config = {
        "storage_dir": str(tmp_path / "contents"),
        "max_file_bytes": len(CONTENT),
        "metadata_store": {"backend": "sql_default", "table_name": "files_metadata"},
    }
    provider = {"provider_id": "files", "provider_type": "inline::files", "config": config}
    path = tmp_path / "run.yaml"
    path.write_text(yaml.safe_dump(run_config(tmp_path, {"files": [provider]})))
    registry = get_provider_registry()
    registry[Api.files] |= {spec.provider_type: spec for spec in available_providers()}
    client = AsyncLlamaStackAsLibraryClient(str(path), custom_provider_registry=registry)
    asyncio.run(client.initialize())
    return client


@pytest.fixture
def provider(client: Any) -> FilesProvider:
    """The provider in that client."""
    provider = client.impls[Api.files]
    assert isinstance(provider, FilesProvider)
    return provider


def in_loop[T](provider: FilesProvider, use: Coroutine[Any, Any, T]) -> T:
    """Use the provider in an event loop of its own, and close what it has opened there."""

    async def use_and_close() -> T:
        try:
            return await use
        finally:
            await provider.shutdown()

    return asyncio.run(use_and_close())


async def upload(provider: FilesProvider, content: bytes = CONTENT) -> str:
    """Upload as FastAPI hands a file over."""
    file = await provider.openai_upload_file(UploadFile(io.BytesIO(content), filename="f"), ASSISTANTS)
    return file.id


def test_the_library_client(client: Any, provider: FilesProvider) -> None:
    async def use() -> None:
        source = io.BytesIO(CONTENT)
        source.name = "named.bin"
        file = await client.files.create(file=source, purpose="assistants")
        assert (file.filename, file.bytes) == ("named.bin", len(CONTENT))
        assert [one.id async for one in await client.files.list()] == [file.id]
        assert (await client.files.content(file.id)).content == CONTENT
        assert (await client.files.delete(file.id)).deleted

    in_loop(provider, use())


def test_an_upload_and_the_whole_content(provider: FilesProvider) -> None:
    async def use() -> bytes:
        response = await provider.openai_retrieve_file_content(await upload(provider))
        return bytes(response.body)

    assert in_loop(provider, use()) == CONTENT


def test_what_batches_hand_over(provider: FilesProvider) -> None:
    async def use() -> None:
        with AsyncBytesIO(b'{"line": 1}') as buffer:
            buffer.filename = "batch_1_output.jsonl"
            file = await provider.openai_upload_file(file=buffer, purpose=OpenAIFilePurpose.BATCH)
        assert file.filename == "batch_1_output.jsonl"
        assert (await provider.openai_retrieve_file_content(file.id)).body == b'{"line": 1}'

    in_loop(provider, use())


def test_the_limit_holds_and_nothing_stays(provider: FilesProvider, tmp_path: Path) -> None:
    with pytest.raises(FileTooLarge):
        in_loop(provider, upload(provider, CONTENT + b"x"))
    assert [path for path in (tmp_path / "contents").rglob("*") if path.is_file()] == []


def test_a_damaged_content_is_not_returned(provider: FilesProvider, tmp_path: Path) -> None:
    async def use() -> None:
        file_id = await upload(provider)
        (tmp_path / "contents" / file_id).write_bytes(bytes(len(CONTENT)))
        await provider.openai_retrieve_file_content(file_id)

    with pytest.raises(FileDamaged, match="wrong SHA-256"):
        in_loop(provider, use())


def test_a_cancelled_upload_leaves_nothing(provider: FilesProvider, tmp_path: Path) -> None:
    class Endless(UploadFile):
        async def read(self, size: int = -1) -> bytes:
            await asyncio.sleep(0.01)
            return bytes(500_000)

    async def use() -> None:
        task = asyncio.create_task(provider.openai_upload_file(Endless(io.BytesIO(), filename="f"), ASSISTANTS))
        while not list((tmp_path / "contents").rglob("file-*")):
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        while list((tmp_path / "contents").rglob("file-*")):
            await asyncio.sleep(0.01)

    in_loop(provider, asyncio.wait_for(use(), 60))


def test_tables_of_one_backend_do_not_collide(provider: FilesProvider, tmp_path: Path) -> None:
    """The other provider is made while llama-stack's backends are still registered."""
    metadata = SqlStoreReference(backend="sql_default", table_name="other_files")
    config = LocalFilesConfig(storage_dir=str(tmp_path / "other"), metadata_store=metadata)
    other = asyncio.run(get_provider_impl(config, {}, []))

    async def use() -> None:
        file_id = await upload(provider)
        assert [file.id for file in (await provider.openai_list_files()).data] == [file_id]
        assert (await other.openai_list_files()).data == []
        await other.shutdown()

    in_loop(provider, use())
