"""The two tables of a files provider, made or brought up to date at the start."""

from dataclasses import dataclass

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Connection,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    inspect,
    text,
)

from providers.stores.tables import exclude_others

# The last second of the year 9999: llama-stack's own providers cannot read a row without a date.
NEVER = 253_402_300_799


@dataclass(frozen=True)
class Tables:
    """The files, and the journal of what is being written or removed.

    The files' columns are those of llama-stack's own providers and some more, so that their table can be used
    as it is.
    """

    files: Table
    journal: Table

    @classmethod
    def named(cls, name: str) -> "Tables":
        """Describe the tables ``name`` and ``name_journal``."""
        metadata = MetaData()
        files = Table(
            name,
            metadata,
            Column("id", String, primary_key=True),
            Column("filename", String),
            Column("purpose", String),
            Column("bytes", BigInteger),
            Column("created_at", BigInteger),
            Column("expires_at", BigInteger),
            Column("sha256", String),
            Column("verified_at", BigInteger),
            Column("damage", String),
            Column("owner_principal", String),
            Column("access_attributes", JSON(none_as_null=True)),
        )
        Index(f"{name}_by_time", files.c.created_at, files.c.id)
        Index(f"{name}_by_expiry", files.c.expires_at)
        journal = Table(
            f"{name}_journal",
            metadata,
            Column("id", String, primary_key=True),
            Column("state", String, nullable=False),
            Column("touched_at", BigInteger, nullable=False),
        )
        return cls(files, journal)

    def create_or_upgrade(self, connection: Connection) -> None:
        """Make the tables, or add to a table of llama-stack's own providers what it lacks; one process at a time."""
        exclude_others(connection, self.files.name)
        inspector = inspect(connection)
        if inspector.has_table(self.files.name):
            present = {column["name"]: column["type"] for column in inspector.get_columns(self.files.name)}
            for column in self.files.columns:
                kind = column.type.compile(connection.dialect)
                if column.name not in present:
                    connection.execute(text(f'ALTER TABLE "{self.files.name}" ADD COLUMN {column.name} {kind}'))
                elif connection.dialect.name == "postgresql" and _is_too_narrow(column, present[column.name]):
                    connection.execute(text(f'ALTER TABLE "{self.files.name}" ALTER COLUMN {column.name} TYPE {kind}'))
        self.files.metadata.create_all(connection)
        for index in self.files.indexes:
            index.create(connection, checkfirst=True)


def _is_too_narrow(column: "Column[object]", present: object) -> bool:
    """Whether numbers beyond 2 GiB would not fit; SQLite's integers always have 64 bits."""
    return isinstance(column.type, BigInteger) and isinstance(present, Integer) and not isinstance(present, BigInteger)
