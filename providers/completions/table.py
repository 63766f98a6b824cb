"""The table of stored chat completions, made or brought up to date at the start.

Its first columns are those of llama-stack 0.3.3, which goes on with the table as it is: what is added may be NULL.
"""

from collections.abc import Callable
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Connection,
    Dialect,
    Integer,
    MetaData,
    String,
    Table,
    inspect,
    text,
)
from sqlalchemy.types import TypeDecorator

UPSTREAMS_NAME = "chat_completions"
"""The table of llama-stack 0.3.3, whatever its run config says."""

# As the indexes have them, so that the databases find them there.
OWNER = "coalesce(owner_principal, '')"
STORED_AT = "coalesce(stored_at, created)"


class JsonText(TypeDecorator[Any]):
    """JSON that is given as a text, in bytes, and read as what it says."""

    impl = JSON
    cache_ok = True

    def bind_processor(self, dialect: Dialect) -> Callable[[bytes | None], str | None]:
        """Return what makes a parameter of a text."""
        return _decoded


def _decoded(value: bytes | None) -> str | None:
    return None if value is None else value.decode(errors="replace")


def described(name: str) -> Table:
    """Describe the table."""
    return Table(
        name,
        MetaData(),
        Column("id", String, primary_key=True),
        Column("created", Integer),
        Column("model", String),
        Column("choices", JsonText),
        Column("input_messages", JsonText),
        Column("access_attributes", JSON(none_as_null=True)),
        Column("owner_principal", String),
        Column("usage", JsonText),
        Column("metadata", JSON(none_as_null=True)),
        Column("service_tier", String),
        Column("system_fingerprint", String),
        Column("stored_at", BigInteger),
    )


def create_or_upgrade(connection: Connection, name: str) -> Table:
    """Make the table, unless the database has one of upstream's name, which then is the table; add what it lacks."""
    inspector = inspect(connection)
    table = described(UPSTREAMS_NAME if inspector.has_table(UPSTREAMS_NAME) else name)
    if inspector.has_table(table.name):
        present = {column["name"] for column in inspector.get_columns(table.name)}
        for column in table.columns:
            if column.name not in present:
                kind = column.type.compile(connection.dialect)
                connection.execute(text(f'ALTER TABLE "{table.name}" ADD COLUMN {column.name} {kind}'))
    table.metadata.create_all(connection)
    _index(connection, table, "by_owner", f"{OWNER}, created, id")
    return table


def index_by_age(connection: Connection, table: Table) -> None:
    """Have the oldest found without a look at all."""
    _index(connection, table, "by_age", STORED_AT)


def _index(connection: Connection, table: Table, name: str, columns: str) -> None:
    connection.execute(text(f'CREATE INDEX IF NOT EXISTS "{table.name}_{name}" ON "{table.name}" ({columns})'))
