"""All statements on the table of stored chat completions. Each function is the work of one transaction, or a part."""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    Connection,
    Row,
    Table,
    delete,
    exists,
    func,
    literal,
    literal_column,
    null,
    select,
    tuple_,
    update,
)

from providers.access.records import Owner
from providers.completions.record import StoredCompletion
from providers.completions.table import OWNER, STORED_AT

LATEST = 2**31 - 1
"""What the column `created` can hold in PostgreSQL."""
KEPT = ("id", "owner_principal", "access_attributes")


@dataclass(frozen=True)
class Place:
    """A place in a list; of equal times the ids decide."""

    created: int
    id: str


def row_of(completion: StoredCompletion, owner: Owner) -> dict[str, Any]:
    """Return a row as drivers take it: JSON is text.

    A time that cannot be one in seconds becomes that of storing.
    """
    now = int(time.time())
    return {
        "id": completion.id,
        "created": completion.created if 0 <= completion.created <= LATEST else now,
        "model": completion.model,
        "choices": completion.choices.decode(errors="replace"),
        "input_messages": completion.messages.decode(errors="replace"),
        "access_attributes": _text(owner.attributes),
        "owner_principal": owner.principal,
        "usage": completion.usage and completion.usage.decode(errors="replace"),
        "metadata": _text(completion.metadata),
        "service_tier": completion.service_tier,
        "system_fingerprint": completion.system_fingerprint,
        "stored_at": now,
    }


def _text(value: Mapping[str, Any] | None) -> str | None:
    return None if value is None else json.dumps(value)


def owner_of(row: Mapping[str, Any]) -> Owner:
    """Return whose a row is."""
    return Owner(row["owner_principal"] or "", row["access_attributes"])


def replace(connection: Connection, table: Table, row: Mapping[str, Any]) -> bool:
    """Write a row over the one of its id, if that has the same owner; False if it has another."""
    of_the_same = (table.c.id == row["id"], literal_column(OWNER) == row["owner_principal"])
    changed = {name: null() if value is None else literal(value) for name, value in row.items() if name not in KEPT}
    return bool(connection.execute(update(table).where(*of_the_same).values(changed)).rowcount)


def get(connection: Connection, table: Table, completion_id: str) -> Mapping[str, Any] | None:
    """Return a row."""
    found = connection.execute(select(table).where(table.c.id == completion_id)).mappings().first()
    return None if found is None else dict(found)


def get_all(connection: Connection, table: Table, ids: Sequence[str]) -> list[Mapping[str, Any]]:
    """Return rows in the order of their ids; those that are gone are left out."""
    found = {row["id"]: dict(row) for row in connection.execute(select(table).where(table.c.id.in_(ids))).mappings()}
    return [found[one] for one in ids if one in found]


def owned(
    connection: Connection,
    table: Table,
    *,
    only_of: str | None,
    model: str | None,
    metadata: Mapping[str, str],
    after: Place | None,
    newest_first: bool,
    limit: int,
) -> Sequence[Row[*tuple[Any, ...]]]:
    """Return id, time and owner of the rows that follow a place: of one owner, of nobody (""), or of all."""
    place = tuple_(table.c.created, table.c.id)
    query = select(table.c.id, table.c.created, table.c.owner_principal, table.c.access_attributes)
    if only_of is not None:
        query = query.where(literal_column(OWNER) == only_of)
    if model:
        query = query.where(table.c.model == model)
    for name, value in metadata.items():
        query = query.where(_has(connection, table, name, value))
    if after:
        mark = (after.created, after.id)
        query = query.where(place < mark if newest_first else place > mark)
    order = [column.desc() if newest_first else column for column in place.clauses]
    return connection.execute(query.order_by(*order).limit(limit)).all()


def _has(connection: Connection, table: Table, name: str, value: str) -> Any:
    each = func.json_each_text if connection.dialect.name == "postgresql" else func.json_each
    pairs = each(table.c.metadata).table_valued("key", "value")
    return exists().select_from(pairs).where(pairs.c.key == name, pairs.c.value == value)


def set_metadata(connection: Connection, table: Table, completion_id: str, metadata: Mapping[str, str] | None) -> bool:
    """Change a row's metadata; False if it is gone."""
    changed = connection.execute(
        update(table).where(table.c.id == completion_id).values(metadata=null() if metadata is None else metadata)
    )
    return bool(changed.rowcount)


def remove(connection: Connection, table: Table, completion_id: str) -> bool:
    """Remove a row; False if it is gone already."""
    return bool(connection.execute(delete(table).where(table.c.id == completion_id)).rowcount)


def remove_older(connection: Connection, table: Table, than: float, limit: int) -> int:
    """Remove some of the rows that were stored before a time, in seconds since 1970, and return how many.

    Those that another replica is removing are left to it.
    """
    old = select(table.c.id).where(literal_column(STORED_AT) < int(than)).limit(limit).with_for_update(skip_locked=True)
    return connection.execute(delete(table).where(table.c.id.in_(old))).rowcount
