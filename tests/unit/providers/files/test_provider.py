"""The Files API as llama-stack calls it in process, and what its routes make of ranges."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from llama_stack.apis.common.responses import Order
from llama_stack.apis.files import OpenAIFilePurpose
from llama_stack.core.storage.datatypes import SqlStoreReference
from starlette.requests import Request

from providers.files import byte_range
from providers.files.config import LocalFilesConfig
from providers.files.local import get_provider_impl
from providers.files.provider import FilesProvider
from providers.files.routes import _headers, _requested_range, install
from tests.unit.providers.files.conftest import file_record


class InMemory:
    """What callers in process hand over: a name and ``read``, and no more."""

    filename = "a.txt"

    async def read(self) -> bytes:
        """All of it."""
        return b"abc"


@pytest.fixture
def provider(sql_backend: SqlStoreReference, tmp_path: Path) -> FilesProvider:
    """A provider made in another event loop than the one that uses it."""
    config = LocalFilesConfig(storage_dir=str(tmp_path / "contents"), metadata_store=sql_backend)
    return asyncio.run(get_provider_impl(config, {}, []))


async def upload(provider: FilesProvider, purpose: OpenAIFilePurpose = OpenAIFilePurpose.ASSISTANTS) -> str:
    """Upload a file and return its id."""
    file: Any = InMemory()
    return (await provider.openai_upload_file(file, purpose)).id


def test_a_list_says_where_it_begins_and_ends_and_whether_it_goes_on(provider: FilesProvider) -> None:
    async def use() -> None:
        empty = await provider.openai_list_files()
        assert (empty.data, empty.has_more, empty.first_id, empty.last_id) == ([], False, "", "")
        ids = sorted([await upload(provider) for _ in range(3)])
        batch = await upload(provider, OpenAIFilePurpose.BATCH)
        first = await provider.openai_list_files(limit=2, order=Order.asc, purpose=OpenAIFilePurpose.ASSISTANTS)
        assert (first.first_id, first.last_id, first.has_more) == (first.data[0].id, first.data[1].id, True)
        rest = await provider.openai_list_files(
            after=first.last_id, limit=None, order=Order.asc, purpose=OpenAIFilePurpose.ASSISTANTS
        )
        assert sorted(file.id for file in (*first.data, *rest.data)) == ids
        assert not rest.has_more
        assert [file.id for file in (await provider.openai_list_files(purpose=OpenAIFilePurpose.BATCH)).data] == [batch]
        await provider.shutdown()

    asyncio.run(use())


@pytest.mark.parametrize("limit", [-1, 0, 10_001])
def test_a_limit_out_of_bounds_is_refused(provider: FilesProvider, limit: int) -> None:
    with pytest.raises(ValueError, match="limit has to be between 1 and 10000"):
        asyncio.run(provider.openai_list_files(limit=limit))


def test_health_names_damaged_files(provider: FilesProvider, tmp_path: Path) -> None:
    async def use() -> None:
        assert await provider.health() == {"status": "OK"}
        file_id = await upload(provider)
        (tmp_path / "contents" / file_id).unlink()
        with pytest.raises(Exception, match="damaged in storage: missing"):
            await provider.openai_retrieve_file_content(file_id)
        assert await provider.health() == {"status": "Error", "message": f"damaged files: {file_id}"}
        await provider.shutdown()

    asyncio.run(use())


def test_another_provider_is_left_alone() -> None:
    app = FastAPI()
    routes, lifespan = list(app.routes), app.router.lifespan_context

    install(app, object())

    assert (app.routes, app.router.lifespan_context) == (routes, lifespan)


FILE = file_record("file-1", bytes=10)
ETAG = f'"{FILE.sha256}"'


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, None),
        ({"range": "bytes=2-3"}, (2, 4)),
        ({"range": "bytes=2-3", "if-range": ETAG}, (2, 4)),
        ({"range": "bytes=2-3", "if-range": '"other"'}, None),
        ({"range": "bytes=2-3", "if-range": f"W/{ETAG}"}, None),
        ({"range": "bytes=20-", "if-range": '"other"'}, None),
        ({"if-range": ETAG}, None),
    ],
)
def test_a_range_holds_for_the_content_that_the_client_has(
    headers: dict[str, str], expected: tuple[int, int] | None
) -> None:
    assert _requested_range(request(headers), FILE) == expected


def test_a_range_outside_is_refused() -> None:
    with pytest.raises(byte_range.NotSatisfiable):
        _requested_range(request({"range": "bytes=20-"}), FILE)


def test_a_file_without_sha256_has_no_etag_and_matches_none() -> None:
    file = file_record("file-1", bytes=10, sha256=None)

    assert not _headers(file).keys() & {"ETag", "Repr-Digest"}
    assert _requested_range(request({"range": "bytes=2-3", "if-range": '"None"'}), file) is None


def test_a_download_says_what_it_is() -> None:
    assert _headers(FILE) == {
        "Accept-Ranges": "bytes",
        "Content-Disposition": 'attachment; filename="file-1.txt"',
        "Content-Type": "application/octet-stream",
        "ETag": ETAG,
        "Repr-Digest": f"sha-256=:{'A' * 43}=:",
    }


def request(headers: dict[str, str]) -> Request:
    """A request with these headers."""
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "method": "GET", "headers": raw})
