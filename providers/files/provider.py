"""The Files API of llama-stack, as it is called in process; ``routes`` serves it over HTTP."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Annotated

from fastapi import Depends, File, Form, Response, UploadFile
from llama_stack.apis.common.responses import Order
from llama_stack.apis.files import (
    ExpiresAfter,
    Files,
    ListOpenAIFileResponse,
    OpenAIFileDeleteResponse,
    OpenAIFileObject,
    OpenAIFilePurpose,
)
from llama_stack.core.access_control.datatypes import AccessRule
from llama_stack.providers.datatypes import HealthResponse, HealthStatus
from llama_stack.providers.utils.files.form_data import parse_expires_after

from providers.access.records import Access
from providers.files import content_disposition
from providers.files.catalog import Catalog
from providers.files.config import FilesConfig
from providers.files.migration import adopt
from providers.files.objects import ObjectStore
from providers.files.records import FileRecord
from providers.files.service import FileService, UploadFields
from providers.files.storage import READ_BYTES, FileStorage
from providers.files.tables import Tables
from providers.stores import database_of

_LARGEST_PAGE = 10_000
_HEALTH_SECS = 2


class FileObject(OpenAIFileObject):
    """A file as a client sees it; one that does not expire says null, as with llama-stack's S3 provider."""

    expires_at: int | None = None  # type: ignore[assignment]

    @classmethod
    def from_record(cls, file: FileRecord) -> "FileObject":
        """Leave out what is not the client's business."""
        return cls(
            id=file.id,
            filename=file.filename,
            purpose=OpenAIFilePurpose(file.purpose),
            bytes=file.bytes,
            created_at=file.created_at,
            expires_at=file.expires_at,
        )


class FilesProvider(Files):
    """``inline::files`` and ``remote::s3-files``, which differ in their object store only."""

    def __init__(self, config: FilesConfig, objects: ObjectStore, policy: list[AccessRule]) -> None:
        self.config = config
        self._objects = objects
        self._tables = Tables.named(config.metadata_store.table_name)
        self._database = database_of(config.metadata_store)
        self._storage = FileStorage(
            objects,
            Catalog(self._database, self._tables),
            max_file_bytes=config.max_file_bytes,
            abandoned_after_secs=config.abandoned_after_secs,
        )
        # Named as llama-stack names the files of its own providers in an access policy.
        access = Access(policy, f"sql_record::{config.metadata_store.table_name}")
        self.service = FileService(self._storage, access, config.ttl_secs)

    async def initialize(self) -> None:
        """Try out the object store, make the tables, take over llama-stack's own files.

        Raises ``StorageError`` if the store cannot be used.
        """
        await self._storage.run(self._objects.prepare)
        await self._database.write(self._tables.create_or_upgrade)
        self._storage.catalog.origin = await adopt(self._database, self._tables, self._pick_stored)

    async def shutdown(self) -> None:
        """Close what is open."""
        await self._database.close()
        self._storage.close()

    async def health(self) -> HealthResponse:
        """Say whether contents can be stored and rows read at this moment, and which files are damaged."""
        try:
            async with asyncio.timeout(_HEALTH_SECS):
                await self._storage.run(self._objects.check)
                damaged = await self._storage.catalog.damaged()
        except TimeoutError:
            return HealthResponse(status=HealthStatus.ERROR, message=f"no answer within {_HEALTH_SECS} s")
        except Exception as error:
            return HealthResponse(status=HealthStatus.ERROR, message=str(error))
        if damaged:
            return HealthResponse(status=HealthStatus.ERROR, message=f"damaged files: {', '.join(damaged)}")
        return HealthResponse(status=HealthStatus.OK)

    async def openai_upload_file(
        self,
        file: Annotated[UploadFile, File()],
        purpose: Annotated[OpenAIFilePurpose, Form()],
        expires_after: Annotated[ExpiresAfter | None, Depends(parse_expires_after)] = None,
    ) -> OpenAIFileObject:
        """Store a file that is at hand."""
        fields = UploadFields(purpose=purpose, expires_after=expires_after)
        return FileObject.from_record(
            await self.service.add(getattr(file, "filename", None), _pieces(file), lambda: fields)
        )

    async def openai_list_files(
        self,
        after: str | None = None,
        limit: int | None = _LARGEST_PAGE,
        order: Order | None = Order.desc,
        purpose: OpenAIFilePurpose | None = None,
    ) -> ListOpenAIFileResponse:
        """List the files the user may see."""
        if limit is not None and not 1 <= limit <= _LARGEST_PAGE:
            raise ValueError(f"limit has to be between 1 and {_LARGEST_PAGE}")
        page = await self.service.page(
            after=after,
            limit=limit or _LARGEST_PAGE,
            newest_first=order is not Order.asc,
            purpose=purpose.value if purpose else None,
        )
        return ListOpenAIFileResponse(
            data=[FileObject.from_record(file) for file in page.files],
            has_more=page.has_more,
            first_id=page.files[0].id if page.files else "",
            last_id=page.files[-1].id if page.files else "",
        )

    async def openai_retrieve_file(self, file_id: str) -> OpenAIFileObject:
        """Describe a file."""
        return FileObject.from_record(await self.service.find(file_id))

    async def openai_delete_file(self, file_id: str) -> OpenAIFileDeleteResponse:
        """Remove a file."""
        await self.service.remove(file_id)
        return OpenAIFileDeleteResponse(id=file_id, deleted=True)

    async def openai_retrieve_file_content(self, file_id: str) -> Response:
        """Return a whole content: callers in process look at the response's ``body``."""
        file = await self.service.find(file_id)
        return Response(
            content=await self.service.read_whole(file),
            media_type="application/octet-stream",
            headers={"Content-Disposition": content_disposition.attachment(file.filename)},
        )

    async def _pick_stored(self, ids: set[str]) -> set[str]:
        return await self._storage.run(lambda: ids.intersection(self._objects.keys()))


async def _pieces(file: UploadFile) -> AsyncGenerator[bytes]:
    if not isinstance(file, UploadFile):
        # What batches and the library client hand over is in memory, and not all of it can be read in pieces.
        yield await file.read()
        return
    while piece := await file.read(READ_BYTES):
        yield piece
