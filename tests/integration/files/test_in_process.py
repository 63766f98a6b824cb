"""The provider as llama-stack itself uses it: in process, with whole contents and with what is no upload."""

import asyncio
import io
import os
import resource
import shutil
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
from llama_stack.providers.datatypes import HealthResponse
from llama_stack.providers.inline.batches.reference.batches import AsyncBytesIO

from providers.files.config import LocalFilesConfig
from providers.files.errors import FileDamaged, FileTooLarge, StorageError, StorageFull
from providers.files.local import get_provider_impl
from providers.files.provider import FilesProvider
from providers.registry.files import available_providers
from tests.support.run_configs import run_config

# Some blocks of a disk.
CONTENT = os.urandom((3 << 20) + 1)
ASSISTANTS = OpenAIFilePurpose.ASSISTANTS


@pytest.fixture
def provider(registered_backend: str, tmp_path: Path) -> FilesProvider:
    """A provider made in an event loop that ends before the tests' own begins, as llama-stack does it."""
    config = LocalFilesConfig(
        storage_dir=str(tmp_path / "contents"),
        max_file_bytes=len(CONTENT),
        metadata_store=SqlStoreReference(backend=registered_backend, table_name="files_metadata"),
    )
    return asyncio.run(get_provider_impl(config, {}, []))


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


def test_a_full_disk_is_told_and_nothing_stays(provider: FilesProvider, tmp_path: Path) -> None:
    """A limit on the size of files is reached like the end of a disk."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, limits[1]))
    try:
        with pytest.raises(StorageFull, match="The disk of storage_dir"):
            in_loop(provider, upload(provider))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [path for path in (tmp_path / "contents").rglob("*") if path.is_file()] == []


def test_health_is_an_error_once_the_directory_is_gone(provider: FilesProvider, tmp_path: Path) -> None:
    async def use() -> tuple[HealthResponse, HealthResponse]:
        before = await provider.health()
        shutil.rmtree(tmp_path / "contents")
        return before, await provider.health()

    before, after = in_loop(provider, use())
    assert before == {"status": "OK"}
    assert after["status"] == "Error"
    assert str(tmp_path / "contents") in after["message"]


def test_a_directory_that_cannot_be_made_is_told(registered_backend: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    metadata = SqlStoreReference(backend=registered_backend, table_name="files_metadata")
    config = LocalFilesConfig(storage_dir=str(tmp_path / "file" / "contents"), metadata_store=metadata)
    with pytest.raises(StorageError, match="Files cannot be kept in storage_dir"):
        asyncio.run(get_provider_impl(config, {}, []))


def test_tables_of_one_backend_do_not_collide(provider: FilesProvider, registered_backend: str, tmp_path: Path) -> None:
    metadata = SqlStoreReference(backend=registered_backend, table_name="other_files")
    config = LocalFilesConfig(storage_dir=str(tmp_path / "other"), metadata_store=metadata)
    other = asyncio.run(get_provider_impl(config, {}, []))

    async def use() -> None:
        file_id = await upload(provider)
        assert [file.id for file in (await provider.openai_list_files()).data] == [file_id]
        assert (await other.openai_list_files()).data == []
        await other.shutdown()

    in_loop(provider, use())


# llama-stack leaves the connections of its own stores to loops that have ended.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_the_library_client(tmp_path: Path) -> None:
    metadata = {"backend": "sql_default", "table_name": "files_metadata"}
    config = {"storage_dir": str(tmp_path / "contents"), "metadata_store": metadata}
    provider = {"provider_id": "files", "provider_type": "inline::files", "config": config}
    path = tmp_path / "run.yaml"
    path.write_text(yaml.safe_dump(run_config(tmp_path, {"files": [provider]})))
    registry = get_provider_registry()
    registry[Api.files] |= {spec.provider_type: spec for spec in available_providers()}
    client: Any = AsyncLlamaStackAsLibraryClient(str(path), custom_provider_registry=registry)

    async def use() -> None:
        await client.initialize()
        source = io.BytesIO(CONTENT)
        source.name = "named.bin"
        file = await client.files.create(file=source, purpose="assistants")
        assert (file.filename, file.bytes) == ("named.bin", len(CONTENT))
        assert [one.id async for one in await client.files.list()] == [file.id]
        assert (await client.files.content(file.id)).content == CONTENT
        assert (await client.files.delete(file.id)).deleted

    asyncio.run(use())
