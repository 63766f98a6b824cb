"""What one user gets of the files, and for how long they stay."""

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from llama_stack.apis.common.errors import ResourceNotFoundError
from llama_stack.apis.files import ExpiresAfter, OpenAIFilePurpose
from llama_stack.core.access_control.access_control import AccessDeniedError
from llama_stack.core.access_control.datatypes import AccessRule
from llama_stack.core.datatypes import User
from llama_stack.core.request_headers import request_provider_data_context

from providers.access.records import Access
from providers.files.service import FileService, Page, UploadFields
from tests.unit.providers.files.conftest import TABLE, Shelf

ASSISTANTS, BATCH = OpenAIFilePurpose.ASSISTANTS, OpenAIFilePurpose.BATCH
HOUR, MONTH = ExpiresAfter.MIN, ExpiresAfter.MAX
READ_ONLY = AccessRule.model_validate({"permit": {"actions": ["create", "read"]}})


def service(shelf: Shelf, *rules: AccessRule, ttl_secs: int | None = None) -> FileService:
    """The files under some rules."""
    return FileService(shelf.storage, Access(rules, f"sql_record::{TABLE}"), ttl_secs)


@contextmanager
def request_of(principal: str | None) -> Iterator[None]:
    """A request, with the user that authentication has found."""
    user: Any = User(principal, None) if principal else None
    with request_provider_data_context({}, user):
        yield


async def content() -> AsyncIterator[bytes]:
    """Three bytes."""
    yield b"abc"


async def add(files: FileService, filename: str | None = "a.txt", principal: str | None = None) -> str:
    """Upload a file and return its id."""
    with request_of(principal):
        return (await files.add(filename, content(), lambda: UploadFields(purpose=ASSISTANTS))).id


async def page(files: FileService, *, after: str | None = None, limit: int = 10) -> Page:
    """The oldest files."""
    return await files.page(after=after, limit=limit, newest_first=False, purpose=None)


@pytest.mark.parametrize(
    ("ttl_secs", "purpose", "asked_for", "lifetime"),
    [
        (None, ASSISTANTS, None, None),
        (None, ASSISTANTS, HOUR, HOUR),
        (None, BATCH, None, MONTH),
        (None, BATCH, HOUR, HOUR),
        (7200, ASSISTANTS, None, 7200),
        (7200, ASSISTANTS, HOUR, HOUR),
        (7200, BATCH, None, 7200),
    ],
)
def test_a_file_stays_as_long_as_the_upload_the_config_or_openai_says(
    shelf: Shelf, ttl_secs: int | None, purpose: OpenAIFilePurpose, asked_for: int | None, lifetime: int | None
) -> None:
    expires_after = None if asked_for is None else ExpiresAfter(anchor="created_at", seconds=asked_for)
    fields = UploadFields(purpose=purpose, expires_after=expires_after)

    file = shelf.run(service(shelf, ttl_secs=ttl_secs).add("a.txt", content(), lambda: fields))
    assert file.purpose == purpose.value
    assert (file.expires_at and file.expires_at - file.created_at) == lifetime


@pytest.mark.parametrize(("sent", "stored"), [(None, "uploaded_file"), ("", "uploaded_file"), ("../a", "../a")])
def test_a_file_without_a_name_gets_one(shelf: Shelf, sent: str | None, stored: str) -> None:
    async def use() -> str:
        files = service(shelf)
        return (await files.find(await add(files, sent))).filename

    assert shelf.run(use()) == stored


def test_a_name_with_nul_is_refused(shelf: Shelf) -> None:
    with pytest.raises(ValueError, match="a file name cannot contain NUL"):
        shelf.run(add(service(shelf), "a\0b"))
    assert shelf.contents() == []


def test_pages_hold_what_the_user_may_see(shelf: Shelf) -> None:
    async def use() -> None:
        files = service(shelf)
        stored = []
        for principal in ("alice", "bob", "alice", "alice", None):
            with request_of(principal):
                stored.append(await files.find(await add(files, principal=principal)))
        stored.sort(key=lambda file: (file.created_at, file.id))
        seen = [file.id for file in stored if file.owner.principal == "alice"]
        with request_of("alice"):
            assert [file.id for file in (await page(files)).files] == seen
            first = await page(files, limit=2)
            assert (len(first.files), first.has_more) == (2, True)
            rest = await page(files, after=first.files[-1].id, limit=1)
            assert ([file.id for file in rest.files], rest.has_more) == (seen[2:], False)
            assert await page(files, after=seen[-1]) == Page([], has_more=False)

    shelf.run(use())


def test_somebody_elses_file_is_not_there(shelf: Shelf) -> None:
    async def use() -> None:
        files = service(shelf)
        file_id = await add(files, principal="alice")
        for other in ("bob", None):
            with request_of(other):
                for attempt in (files.find(file_id), files.remove(file_id), page(files, after=file_id)):
                    with pytest.raises(ResourceNotFoundError, match=f"File '{file_id}' not found"):
                        await attempt
        with request_of("alice"):
            await files.remove(file_id)
            with pytest.raises(ResourceNotFoundError):
                await files.remove(file_id)

    shelf.run(use())


def test_who_may_read_only_cannot_remove(shelf: Shelf) -> None:
    async def use() -> None:
        files = service(shelf, READ_ONLY)
        file_id = await add(files, principal="alice")
        with request_of("bob"):
            await files.find(file_id)
            with pytest.raises(AccessDeniedError):
                await files.remove(file_id)

    shelf.run(use())


def test_a_file_that_goes_while_it_is_opened_is_not_found(shelf: Shelf) -> None:
    async def use() -> None:
        files = service(shelf)
        file = await files.find(await add(files))
        await files.remove(file.id)
        for attempt in (files.open(file, 0, 1), files.read_whole(file)):
            with pytest.raises(ResourceNotFoundError, match=f"File '{file.id}' not found"):
                await attempt

    shelf.run(use())
