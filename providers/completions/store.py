"""The store of chat completions, in the place of llama-stack's InferenceStore."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from typing import Any

from llama_stack.apis.common.errors import ResourceNotFoundError
from llama_stack.core.access_control.datatypes import AccessRule
from llama_stack.core.storage.datatypes import InferenceStoreReference
from llama_stack.log import get_logger
from sqlalchemy import Connection, Table

from providers.access.records import Access, Owner
from providers.completions import rows
from providers.completions.losses import Losses
from providers.completions.pages import Page
from providers.completions.record import StoredCompletion
from providers.completions.requests import wants_to_be_stored
from providers.completions.rows import Place, owner_of
from providers.completions.settings import Settings
from providers.completions.table import create_or_upgrade, index_by_age
from providers.stores import Duplicate, database_of

log = get_logger(name=__name__, category="inference")

RECORDS = "sql_record::chat_completions"
"""What rules of access call them, whatever the table's name."""
PATIENCE, LITTLE_PATIENCE = 10.0, 0.5
"""How many seconds an answer waits for the database; the second where it has failed a short while ago."""
IMPATIENT = 30.0
"""Seconds."""
ROWS_A_READ = 128


class CompletionsStore:
    """Chat completions, as the user of the current request may see and handle them."""

    def __init__(self, reference: InferenceStoreReference, policy: list[AccessRule]) -> None:
        self._reference = reference
        self._access = Access(policy, RECORDS)
        self._database = database_of(reference)
        self._table: Table
        self.settings = Settings.from_environment()
        self._impatient_until = 0.0
        self.losses = Losses()

    async def initialize(self) -> None:
        """Make the table or bring it up to date."""
        self._table = await self._database.write(self._prepare)

    def _prepare(self, connection: Connection) -> Table:
        table = create_or_upgrade(connection, self._reference.table_name)
        if self.settings.days is not None:
            index_by_age(connection, table)
        return table

    async def shutdown(self) -> None:
        """Close the connections."""
        await self._database.close()

    def keeps(self, store: Any) -> bool:
        """Whether a completion is to be stored whose request says this; raises ValueError for what is no boolean."""
        return wants_to_be_stored(store, self.settings.by_default)

    async def keep(self, completion: Callable[[], StoredCompletion]) -> None:
        """Store what can be made a completion; an answer is given even if it makes no sense."""
        try:
            made = completion()
        except Exception as error:
            self.losses.add(error)
        else:
            await self.add(made)

    async def add(self, completion: StoredCompletion) -> None:
        """Store a completion as the user's; returns once it is committed.

        An id that the model's server gives again names the newest of its owner's completions; another user's is never
        written over. What the database does not take is lost, and the log and the health say so: the answer is given
        all the same.
        """
        impatient = time.monotonic() < self._impatient_until
        try:
            row = rows.row_of(completion, self._access.owner())
            async with asyncio.timeout(LITTLE_PATIENCE if impatient else PATIENCE):
                try:
                    await self._database.insert(self._table.name, row)
                except Duplicate:  # the model's server has given this id before
                    if not await self._write(rows.replace, row):
                        log.warning(f"The chat completion {completion.id} is not stored: its id is another user's.")
        except Exception as error:
            if not impatient:
                self._impatient_until = time.monotonic() + IMPATIENT
            self.losses.add(error)
        else:
            self._impatient_until = 0.0
            self.losses.end()

    async def get(self, completion_id: str) -> Mapping[str, Any]:
        """Return a row; raises ResourceNotFoundError, also for one that the user may not see."""
        row = await self._read(rows.get, completion_id)
        if row is None or not self._access.may("read", completion_id, owner_of(row)):
            raise _not_found(completion_id)
        return row

    async def page(
        self, *, after: str | None, limit: int, newest_first: bool, model: str | None, metadata: Mapping[str, str]
    ) -> Page:
        """Return up to ``limit`` rows, those that follow ``after``; raises ValueError if that is none of the user's."""
        ids: list[str] = []
        has_more = False
        async with aclosing(self._walk(await self._place(after), newest_first, model, metadata)) as found:
            async for one in found:
                if has_more := len(ids) == limit:
                    break
                ids.append(one)
        return Page(await self._read(rows.get_all, ids) if ids else [], has_more)

    async def set_metadata(self, completion_id: str, metadata: Mapping[str, str] | None) -> Mapping[str, Any]:
        """Change what a client has noted; raises ResourceNotFoundError or AccessDeniedError."""
        row = await self._require("update", completion_id)
        if not await self._write(rows.set_metadata, completion_id, metadata):
            raise _not_found(completion_id)
        return {**row, "metadata": metadata}

    async def remove(self, completion_id: str) -> None:
        """Remove a completion; raises ResourceNotFoundError or AccessDeniedError."""
        await self._require("delete", completion_id)
        if not await self._write(rows.remove, completion_id):
            raise _not_found(completion_id)

    async def remove_older(self, than: float, limit: int) -> int:
        """Remove up to ``limit`` of those that were stored before a time, whosever they are; return how many."""
        return await self._write(rows.remove_older, than, limit)

    async def _require(self, action: str, completion_id: str) -> Mapping[str, Any]:
        row = await self.get(completion_id)
        self._access.require(action, completion_id, owner_of(row))
        return row

    async def _place(self, after: str | None) -> Place | None:
        if after is None:
            return None
        try:
            return Place((await self.get(after))["created"], after)
        except ResourceNotFoundError:
            raise ValueError(f"`after` names no stored chat completion: {after}") from None

    async def _walk(
        self, after: Place | None, newest_first: bool, model: str | None, metadata: Mapping[str, str]
    ) -> AsyncGenerator[str]:
        only_of = self._access.only_of()
        while True:
            found = await self._read(
                rows.owned,
                only_of=only_of,
                model=model,
                metadata=metadata,
                after=after,
                newest_first=newest_first,
                limit=ROWS_A_READ,
            )
            for row in found:
                if self._access.may("read", row.id, Owner(row.owner_principal or "", row.access_attributes)):
                    yield row.id
            if len(found) < ROWS_A_READ:
                return
            after = Place(found[-1].created, found[-1].id)

    async def _read[Result](self, work: Callable[..., Result], *arguments: Any, **options: Any) -> Result:
        return await self._database.read(lambda connection: work(connection, self._table, *arguments, **options))

    async def _write[Result](self, work: Callable[..., Result], *arguments: Any, **options: Any) -> Result:
        return await self._database.write(lambda connection: work(connection, self._table, *arguments, **options))


def _not_found(completion_id: str) -> ResourceNotFoundError:
    return ResourceNotFoundError(completion_id, "Chat completion", "client.chat.completions.list()")
