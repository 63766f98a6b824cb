"""The life of a file: written, read, removed; and what is done about interruptions.

The order of steps is what makes it safe (see ``catalog``). An upload announces itself, makes its object
durable, then inserts the row; a delete takes the row away, then the object.
"""

import asyncio
import concurrent.futures
import hashlib
import time
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass

from llama_stack.core.id_generation import generate_object_id
from llama_stack.log import get_logger

from providers.access.records import Owner
from providers.files.catalog import Catalog
from providers.files.checked_reader import CheckedReader
from providers.files.errors import FileDamaged, FileTooLarge, ObjectMissing, UploadGivenUp
from providers.files.objects import ObjectStore, ObjectWriter
from providers.files.records import FileRecord

log = get_logger(name=__name__, category="files")

READ_BYTES = 1 << 20
_WORKERS = 32


@dataclass(frozen=True)
class Description:
    """What an upload says about its file."""

    filename: str
    purpose: str
    owner: Owner
    expires_after_secs: int | None


class FileStorage:
    """Contents in an object store, rows in a catalog, and worker threads for what blocks."""

    def __init__(
        self,
        objects: ObjectStore,
        catalog: Catalog,
        *,
        max_file_bytes: int | None,
        abandoned_after_secs: float,
    ) -> None:
        limits = (limit for limit in (max_file_bytes, objects.max_object_bytes) if limit is not None)
        self.max_file_bytes = min(limits, default=None)
        self.catalog = catalog
        self._objects = objects
        self._abandoned_after_secs = abandoned_after_secs
        self._workers = ThreadPoolExecutor(_WORKERS, thread_name_prefix="files")
        self._cleanups: set[asyncio.Task[None]] = set()

    async def run[T](self, work: Callable[[], T]) -> T:
        """Call something that blocks in a worker thread."""
        return await asyncio.wrap_future(self._workers.submit(work))

    async def add(self, content: AsyncIterator[bytes], describe: Callable[[], Description]) -> FileRecord:
        """Store a file. ``describe`` is called once its content was read: a form's fields may come last.

        Whatever goes wrong, in the two arguments too, nothing stays behind and the error is raised.
        """
        file_id = generate_object_id("file", lambda: f"file-{uuid.uuid4().hex}")
        await self.catalog.begin(file_id)
        try:
            async with self._heartbeat(file_id):
                file = await self._write(file_id, content, describe)
            await self.catalog.finish(file)
        except UploadGivenUp:
            await self._although_cancelled(self._discard(file_id))
            raise
        except BaseException:
            await self._although_cancelled(self._clear_away(file_id))
            raise
        return file

    async def remove(self, file_id: str) -> bool:
        """Remove a file; False if somebody else did."""
        if not await self.catalog.remove(file_id):
            return False
        try:
            await self.run(lambda: self._objects.delete(file_id))
            await self.catalog.forget(file_id)
        except Exception as error:
            log.warning(f"File '{file_id}' is removed; its content stays until a sweep succeeds: {error}")
        return True

    async def open(self, file: FileRecord, start: int, stop: int) -> CheckedReader:
        """Begin to read; raises ``FileDamaged``, or ``ObjectMissing`` if the file was removed meanwhile."""
        async with self._noting_damage(file):
            try:
                return await self.run(lambda: CheckedReader(self._objects, file, start, stop))
            except FileDamaged as error:
                if await self.catalog.get(file.id) is None:
                    raise ObjectMissing(file.id) from error
                raise

    async def blocks(self, file: FileRecord, reader: CheckedReader) -> AsyncGenerator[bytes]:
        """Go through a content and close it; raises ``FileDamaged`` in place of the last block."""
        ahead = self._workers.submit(reader.read, READ_BYTES)
        try:
            async with self._noting_damage(file):
                while block := await asyncio.wrap_future(ahead):
                    ahead = self._workers.submit(reader.read, READ_BYTES)
                    yield block
        finally:
            self._workers.submit(reader.close)
        await self._note_success(file, reader)

    async def read_whole(self, file: FileRecord) -> bytes:
        """Return the content; raises what ``open`` and ``blocks`` raise."""
        reader = await self.open(file, 0, file.bytes)
        return b"".join([block async for block in self.blocks(file, reader)])

    async def verify(self, file: FileRecord) -> None:
        """Read a file and note whether it is as it was stored."""
        try:
            async for _ in self.blocks(file, await self.open(file, 0, file.bytes)):
                pass
        except FileDamaged:
            pass  # It is noted, which is what this is for.
        except ObjectMissing:
            log.debug(f"File '{file.id}' was removed while it was verified")

    async def sweep(self) -> None:
        """Remove what interrupted uploads and deletes left."""
        for file_id in await self.catalog.claim_abandoned(self._abandoned_after_secs):
            log.info(f"Clearing away what an interruption left of file '{file_id}'")
            await self._discard(file_id)

    async def expire(self) -> None:
        """Remove the files whose time is over."""
        for file_id in await self.catalog.expired():
            if await self.remove(file_id):
                log.info(f"Removed file '{file_id}', which has expired")

    def close(self) -> None:
        """Take no more work."""
        self._workers.shutdown(wait=False)

    async def _write(
        self, file_id: str, content: AsyncIterator[bytes], describe: Callable[[], Description]
    ) -> FileRecord:
        """Write the object, one block in a worker thread while the next one comes in."""
        writer = await self.run(lambda: self._objects.create(file_id))
        digest = hashlib.sha256()
        size = 0

        def store(block: bytearray) -> None:
            digest.update(block)
            writer.write(block)

        work: Future[None] = Future()
        work.set_result(None)
        try:
            async for block in self._in_blocks(content):
                await asyncio.wrap_future(work)
                work = self._workers.submit(store, block)
                size += len(block)
            await asyncio.wrap_future(work)
            description = describe()
            work = self._workers.submit(writer.commit)
            await asyncio.wrap_future(work)
        except BaseException:
            await self._although_cancelled(self.run(lambda: _abort(writer, work)))
            raise
        now = int(time.time())
        lifetime = description.expires_after_secs
        return FileRecord(
            id=file_id,
            filename=description.filename,
            purpose=description.purpose,
            bytes=size,
            created_at=now,
            expires_at=None if lifetime is None else now + lifetime,
            sha256=digest.hexdigest(),
            verified_at=now,
            owner=description.owner,
        )

    async def _in_blocks(self, content: AsyncIterator[bytes]) -> AsyncGenerator[bytearray]:
        """Regroup the content as the store wants it; raises ``FileTooLarge`` as soon as it is."""
        length = self._objects.block_bytes
        size = 0
        block = bytearray()
        async for piece in content:
            size += len(piece)
            self.require_allowed(size)
            rest = memoryview(piece)
            while rest:
                room = length - len(block)
                block += rest[:room]
                rest = rest[room:]
                if len(block) == length:
                    yield block
                    block = bytearray()
        if block:
            yield block

    def require_allowed(self, size: int) -> None:
        """Raise ``FileTooLarge`` if a file may not have so many bytes."""
        if self.max_file_bytes is not None and size > self.max_file_bytes:
            raise FileTooLarge(f"The file is larger than {self.max_file_bytes} bytes, the limit of this server.")

    @asynccontextmanager
    async def _heartbeat(self, file_id: str) -> AsyncGenerator[None]:
        """Tell the other replicas that an upload goes on, however slow the client is."""

        async def beat() -> None:
            goes_on = True
            while goes_on:
                await asyncio.sleep(self._abandoned_after_secs / 5)
                try:
                    goes_on = await self.catalog.touch(file_id)
                except Exception as error:
                    log.warning(f"Cannot say that the upload of '{file_id}' goes on: {error}")

        task = asyncio.create_task(beat())
        try:
            yield
        finally:
            task.cancel()

    async def _clear_away(self, file_id: str) -> None:
        """Remove what a failed upload left, unless its row was inserted after all."""
        try:
            if await self.catalog.claim(file_id):
                await self._discard(file_id)
        except Exception as error:
            log.warning(f"What the failed upload '{file_id}' left stays until a sweep succeeds: {error}")

    async def _discard(self, file_id: str) -> None:
        try:
            await self.run(lambda: self._objects.discard(file_id))
            await self.catalog.forget(file_id)
        except Exception as error:
            log.warning(f"What is left of file '{file_id}' stays until the next sweep: {error}")

    async def _although_cancelled(self, work: Coroutine[None, None, None]) -> None:
        """Finish some work even if the request it belongs to is cancelled."""
        task = asyncio.create_task(work)
        self._cleanups.add(task)
        task.add_done_callback(self._cleanups.discard)
        await asyncio.shield(task)

    @asynccontextmanager
    async def _noting_damage(self, file: FileRecord) -> AsyncGenerator[None]:
        try:
            yield
        except FileDamaged as error:
            log.error(str(error))
            await self.catalog.record_check(file.id, sha256=file.sha256, damage=error.damage)
            raise

    async def _note_success(self, file: FileRecord, reader: CheckedReader) -> None:
        if reader.sha256 and (file.sha256 is None or file.damage):
            await self.catalog.record_check(file.id, sha256=reader.sha256, damage=None)


def _abort(writer: ObjectWriter, work: Future[None]) -> None:
    concurrent.futures.wait([work])
    writer.abort()
