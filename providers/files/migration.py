"""Files that were uploaded through llama-stack's own ``inline::localfs`` or ``remote::s3``.

Both keep their rows in a table ``openai_files``, whatever the run config says, and their objects under the
file's id, as the providers here do. So with the same backend and the same directory or bucket it is enough to
copy rows, which happens at every start. The old table stays and follows every delete: one can switch back.
"""

from collections.abc import Awaitable, Callable
from itertools import batched

from llama_stack.apis.files import ExpiresAfter
from llama_stack.log import get_logger
from sqlalchemy import (
    ColumnElement,
    Connection,
    TableClause,
    case,
    column,
    exists,
    insert,
    inspect,
    select,
    update,
)
from sqlalchemy import table as table_clause

from providers.files.tables import NEVER, Tables
from providers.stores.database import Database
from providers.stores.tables import exclude_others

log = get_logger(name=__name__, category="files")

ORIGIN_TABLE = "openai_files"
_COPIED = ("id", "filename", "purpose", "bytes", "created_at", "owner_principal", "access_attributes")
_ROWS_AT_ONCE = 500


async def adopt(
    database: Database, tables: Tables, pick_stored: Callable[[set[str]], Awaitable[set[str]]]
) -> TableClause | None:
    """Take over the files of llama-stack's own provider and return its table, if there is one.

    ``pick_stored`` picks the ids that have an object here; the others belong to another directory or bucket.
    """
    if tables.files.name == ORIGIN_TABLE:
        await _forget_endless_expiry(database, tables)
        return None
    if not {*_COPIED, "expires_at"} <= await database.read(_columns):
        return None
    origin = table_clause(ORIGIN_TABLE, *(column(name) for name in (*_COPIED, "expires_at")))
    is_new = ~exists().where(tables.files.c.id == origin.c.id)
    new = await database.read(lambda connection: set(connection.execute(select(origin.c.id).where(is_new)).scalars()))
    if new:
        stored = await pick_stored(new)
        await _copy(database, tables, origin, is_new, stored)
        _report(len(stored), len(new))
    return origin


async def _copy(
    database: Database, tables: Tables, origin: TableClause, is_new: ColumnElement[bool], stored: set[str]
) -> None:
    endless = _is_endless(origin.c.created_at, origin.c.expires_at)
    expires_at = case((endless, NEVER), else_=origin.c.expires_at)
    columns = [*(origin.c[name] for name in _COPIED), expires_at]

    def copy(connection: Connection) -> None:
        exclude_others(connection, tables.files.name)
        for ids in batched(stored, _ROWS_AT_ONCE):
            rows = select(*columns).where(is_new, origin.c.id.in_(ids))
            connection.execute(insert(tables.files).from_select([*_COPIED, "expires_at"], rows))

    await database.write(copy)


async def _forget_endless_expiry(database: Database, tables: Tables) -> None:
    """Rows without a SHA-256 are llama-stack's own; it writes a far date for "never"."""
    files = tables.files.c
    endless = _is_endless(files.created_at, files.expires_at)
    change = update(tables.files).where(files.sha256.is_(None), endless).values(expires_at=NEVER)
    await database.write(lambda connection: connection.execute(change).rowcount)


def _is_endless(created_at: ColumnElement[int], expires_at: ColumnElement[int]) -> ColumnElement[bool]:
    """No client could ask for so much: it is a default, and never acted upon."""
    return expires_at - created_at > ExpiresAfter.MAX


def _columns(connection: Connection) -> set[str]:
    inspector = inspect(connection)
    if not inspector.has_table(ORIGIN_TABLE):
        return set()
    return {description["name"] for description in inspector.get_columns(ORIGIN_TABLE)}


def _report(taken_over: int, found: int) -> None:
    log.info(f"Took over {taken_over} files of the table {ORIGIN_TABLE}.")
    if taken_over < found:
        log.warning(
            f"{found - taken_over} files of the table {ORIGIN_TABLE} are not taken over: their contents are in "
            "another directory or bucket than this provider's, or lost."
        )
