"""Files as one user may see and handle them."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from llama_stack.apis.common.errors import ResourceNotFoundError
from llama_stack.apis.files import ExpiresAfter, OpenAIFilePurpose
from pydantic import BaseModel

from providers.access.records import Access
from providers.files.checked_reader import CheckedReader
from providers.files.errors import ObjectMissing
from providers.files.records import FileRecord
from providers.files.storage import Description, FileStorage

# llama-stack's own name for a file that was sent without one.
_UNNAMED = "uploaded_file"
# OpenAI's rule for files of this purpose.
_BATCH_LIFETIME_SECS = ExpiresAfter.MAX


class UploadFields(BaseModel):
    """What a client says about the file it uploads."""

    purpose: OpenAIFilePurpose
    expires_after: ExpiresAfter | None = None


@dataclass(frozen=True)
class Page:
    """Some of the files."""

    files: list[FileRecord]
    has_more: bool


class FileService:
    """What a request may ask for; the user is the one of the current context."""

    def __init__(self, storage: FileStorage, access: Access, ttl_secs: int | None) -> None:
        self.storage = storage
        self._access = access
        self._ttl_secs = ttl_secs

    async def add(
        self, filename: str | None, content: AsyncIterator[bytes], fields: Callable[[], UploadFields]
    ) -> FileRecord:
        """Store a file; ``fields`` is called once its content was read.

        Raises ``AccessDeniedError`` if the user may not make any.
        """
        name = filename or _UNNAMED
        if "\0" in name:
            raise ValueError("a file name cannot contain NUL")
        owner = self._access.require_create()

        def describe() -> Description:
            upload = fields()
            return Description(name, upload.purpose.value, owner, self._lifetime_secs(upload))

        return await self.storage.add(content, describe)

    async def find(self, file_id: str) -> FileRecord:
        """Return a file; raises ``ResourceNotFoundError``, also for one the user may not see."""
        file = await self.storage.catalog.get(file_id)
        if file is None or not self._may_read(file):
            raise _not_found(file_id)
        return file

    async def page(self, *, after: str | None, limit: int, newest_first: bool, purpose: str | None) -> Page:
        """Return up to ``limit`` files, those that follow the file ``after``."""
        files: list[FileRecord] = []
        candidates = self.storage.catalog.walk(
            newest_first=newest_first,
            after=await self.find(after) if after else None,
            purpose=purpose,
            only_of=self._access.only_of(),
        )
        async for file in candidates:
            if not self._may_read(file):
                continue
            if len(files) == limit:
                return Page(files, has_more=True)
            files.append(file)
        return Page(files, has_more=False)

    async def remove(self, file_id: str) -> None:
        """Remove a file; raises ``ResourceNotFoundError`` or ``AccessDeniedError``."""
        file = await self.find(file_id)
        self._access.require("delete", file.id, file.owner)
        if not await self.storage.remove(file_id):
            raise _not_found(file_id)

    async def open(self, file: FileRecord, start: int, stop: int) -> CheckedReader:
        """Begin to read a file's content; see ``FileStorage.open``."""
        try:
            return await self.storage.open(file, start, stop)
        except ObjectMissing as error:
            raise _not_found(file.id) from error

    async def read_whole(self, file: FileRecord) -> bytes:
        """Return a file's content."""
        try:
            return await self.storage.read_whole(file)
        except ObjectMissing as error:
            raise _not_found(file.id) from error

    def _may_read(self, file: FileRecord) -> bool:
        return self._access.may("read", file.id, file.owner)

    def _lifetime_secs(self, upload: UploadFields) -> int | None:
        if upload.expires_after:
            return upload.expires_after.seconds
        if self._ttl_secs:
            return self._ttl_secs
        return _BATCH_LIFETIME_SECS if upload.purpose is OpenAIFilePurpose.BATCH else None


def _not_found(file_id: str) -> ResourceNotFoundError:
    return ResourceNotFoundError(file_id, "File", "client.files.list()")
