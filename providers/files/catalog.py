"""The rows about files, and the journal that makes uploads and deletes safe against crashes.

An upload is written down in the journal before its object is begun, and leaves it in the transaction that
inserts the row. A delete moves the row to the journal in one transaction, and leaves it once the object is
gone. So every object is named by a row or by the journal, and the journal alone says what to clear away after
a crash: the bucket or directory is never searched, and may hold other things.

A state of the journal is changed by compare-and-set: of an upload's end and a sweep of the same entry only
one succeeds, whatever the clocks say.
"""

import time
from collections.abc import AsyncGenerator
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    TableClause,
    UpdateBase,
    and_,
    delete,
    func,
    insert,
    or_,
    select,
    tuple_,
    update,
)

from providers.access.records import Owner
from providers.files.errors import UploadGivenUp
from providers.files.records import FileRecord
from providers.files.tables import NEVER, Tables
from providers.stores.database import Database

_WRITING = "writing"
_DELETING = "deleting"
_SWEEPING = "sweeping"

_PAGE_ROWS = 500
_UNREAD_AGAIN_SECS = 86400


class Catalog:
    """All statements on the tables of one provider."""

    def __init__(self, database: Database, tables: Tables) -> None:
        self._database = database
        self._files = tables.files
        self._journal = tables.journal
        # llama-stack's own table that files were taken over from: what is removed here is removed there too.
        self.origin: TableClause | None = None

    async def begin(self, file_id: str) -> None:
        """Announce an upload."""
        await self._change(self._entry(file_id, _WRITING))

    async def touch(self, file_id: str) -> bool:
        """Say that an upload is still going on; False if it was swept."""
        return await self._change(update(self._journal).where(self._is_writing(file_id)).values(touched_at=_now()))

    async def finish(self, file: FileRecord) -> None:
        """Insert the row of an upload whose object is durable; raises ``UploadGivenUp`` if it was swept."""
        removal, row = delete(self._journal).where(self._is_writing(file.id)), insert(self._files).values(_to_row(file))

        def finish(connection: Connection) -> None:
            if not connection.execute(removal).rowcount:
                raise UploadGivenUp(f"The upload of {file.id} was taken for dead and cleared away; please repeat it.")
            connection.execute(row)

        await self._database.write(finish)

    async def claim(self, file_id: str) -> bool:
        """Take an upload out of reach of its end; False if it is not in the journal any more."""
        return await self._change(update(self._journal).where(self._is_writing(file_id)).values(state=_SWEEPING))

    async def claim_abandoned(self, idle_secs: float) -> list[str]:
        """Take over what nobody has worked on for so long, and return the ids."""
        claim = (
            update(self._journal)
            .where(self._journal.c.touched_at <= _now() - idle_secs)
            .values(state=_SWEEPING, touched_at=_now())
            .returning(self._journal.c.id)
        )
        return await self._database.write(lambda connection: list(connection.execute(claim).scalars()))

    async def forget(self, file_id: str) -> None:
        """Strike an entry whose object is gone from the journal."""
        await self._change(delete(self._journal).where(self._journal.c.id == file_id))

    async def remove(self, file_id: str) -> bool:
        """Move a row to the journal; False if somebody else did."""

        def remove(connection: Connection) -> bool:
            if not connection.execute(delete(self._files).where(self._files.c.id == file_id)).rowcount:
                return False
            if self.origin is not None:
                connection.execute(delete(self.origin).where(self.origin.c.id == file_id))
            connection.execute(self._entry(file_id, _DELETING))
            return True

        return await self._database.write(remove)

    async def get(self, file_id: str) -> FileRecord | None:
        """Return a file that has not expired."""
        rows = await self._select(self._files.c.id == file_id, self._is_current())
        return rows[0] if rows else None

    async def walk(
        self, *, newest_first: bool, after: FileRecord | None, purpose: str | None, only_of: str | None
    ) -> AsyncGenerator[FileRecord]:
        """Go through the files that have not expired, by time and then by id, from the one ``after`` on.

        Those that one user owns, or nobody (""), or all.
        """
        place = tuple_(self._files.c.created_at, self._files.c.id)
        direction = [column.desc() if newest_first else column for column in place.clauses]
        conditions = [self._is_current()]
        if purpose:
            conditions.append(self._files.c.purpose == purpose)
        if only_of is not None:
            conditions.append(func.coalesce(self._files.c.owner_principal, "") == only_of)
        while True:
            reached = []
            if after:
                mark = (after.created_at, after.id)
                reached = [place < mark if newest_first else place > mark]
            page = await self._select(*conditions, *reached, order=direction, limit=_PAGE_ROWS)
            for file in page:
                yield file
            if len(page) < _PAGE_ROWS:
                return
            after = page[-1]

    async def expired(self) -> list[str]:
        """Return the ids of some files whose time is over."""
        query = select(self._files.c.id).where(self._files.c.expires_at <= _now()).limit(_PAGE_ROWS)
        return await self._database.read(lambda connection: list(connection.execute(query).scalars()))

    async def claim_unverified(self, older_than_secs: float | None) -> FileRecord | None:
        """Return a file that was never read as a whole, or not for so long; nobody else gets it now.

        One without a SHA-256 whose reading was interrupted is due again after a day.
        """
        verified_at = self._files.c.verified_at
        interrupted = and_(self._files.c.sha256.is_(None), verified_at < _now() - _UNREAD_AGAIN_SECS)
        due = or_(verified_at.is_(None), interrupted)
        if older_than_secs is not None:
            due = or_(due, verified_at < _now() - older_than_secs)
        found = await self._select(due, self._is_current(), order=[verified_at.nulls_first()], limit=1)
        if not found:
            return None
        unchanged = and_(self._files.c.id == found[0].id, verified_at.is_not_distinct_from(found[0].verified_at))
        claimed = await self._change(update(self._files).where(unchanged).values(verified_at=_now()))
        return found[0] if claimed else None

    async def record_check(self, file_id: str, *, sha256: str | None, damage: str | None) -> None:
        """Keep what reading the whole content has shown."""
        await self._change(
            update(self._files)
            .where(self._files.c.id == file_id)
            .values(sha256=sha256, damage=damage, verified_at=_now())
        )

    async def damaged(self) -> list[str]:
        """Return the ids of a few damaged files."""
        query = select(self._files.c.id).where(self._files.c.damage.is_not(None)).limit(5)
        return await self._database.read(lambda connection: list(connection.execute(query).scalars()))

    async def _select(
        self, *conditions: ColumnElement[bool], order: Any = (), limit: int | None = None
    ) -> list[FileRecord]:
        query = select(self._files).where(*conditions).order_by(*order).limit(limit)
        return await self._database.read(lambda connection: [_to_record(row) for row in connection.execute(query)])

    async def _change(self, statement: UpdateBase) -> bool:
        """Carry out a statement; whether it has found something to change."""
        return await self._database.write(lambda connection: bool(connection.execute(statement).rowcount))

    def _entry(self, file_id: str, state: str) -> Any:
        return insert(self._journal).values(id=file_id, state=state, touched_at=_now())

    def _is_writing(self, file_id: str) -> ColumnElement[bool]:
        return and_(self._journal.c.id == file_id, self._journal.c.state == _WRITING)

    def _is_current(self) -> ColumnElement[bool]:
        return self._files.c.expires_at > _now()


def _now() -> int:
    return int(time.time())


def _to_row(file: FileRecord) -> dict[str, Any]:
    return {
        "id": file.id,
        "filename": file.filename,
        "purpose": file.purpose,
        "bytes": file.bytes,
        "created_at": file.created_at,
        "expires_at": NEVER if file.expires_at is None else file.expires_at,
        "sha256": file.sha256,
        "verified_at": file.verified_at,
        "owner_principal": file.owner.principal,
        "access_attributes": file.owner.attributes,
    }


def _to_record(row: Row[Any]) -> FileRecord:
    return FileRecord(
        id=row.id,
        filename=row.filename,
        purpose=row.purpose,
        bytes=row.bytes,
        created_at=row.created_at,
        expires_at=None if row.expires_at == NEVER else row.expires_at,
        sha256=row.sha256,
        verified_at=row.verified_at,
        damage=row.damage,
        owner=Owner(row.owner_principal or "", row.access_attributes),
    )
