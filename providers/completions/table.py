"""The table of stored chat completions, made or brought up to date at the start.

Its first columns are those of llama-stack, which goes on with the table as it is: what is added may be NULL.
"""

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Connection,
    Integer,
    MetaData,
    String,
    Table,
    inspect,
)

from providers.stores.tables import exclude_others

UPSTREAMS_NAME = "chat_completions"
"""The table of llama-stack, whatever its run config says."""

# As the indexes have them, so that the databases find them there.
OWNER = "coalesce(owner_principal, '')"
STORED_AT = "coalesce(stored_at, created)"


def _described(name: str) -> Table:
    """Describe the table."""
    return Table(
        name,
        MetaData(),
        Column("id", String, primary_key=True),
        Column("created", Integer),
        Column("model", String),
        Column("choices", JSON),
        Column("input_messages", JSON),
        Column("access_attributes", JSON),
        Column("owner_principal", String),
        Column("usage", JSON),
        Column("metadata", JSON),
        Column("service_tier", String),
        Column("system_fingerprint", String),
        Column("stored_at", BigInteger),
    )


def create_or_upgrade(connection: Connection, name: str) -> Table:
    """Make the table, unless the database has one of upstream's name, which then is the table; add what it lacks."""
    exclude_others(connection, UPSTREAMS_NAME)
    inspector = inspect(connection)
    table = _described(UPSTREAMS_NAME if inspector.has_table(UPSTREAMS_NAME) else name)
    if inspector.has_table(table.name):
        present = {column["name"] for column in inspector.get_columns(table.name)}
        for column in table.columns:
            if column.name not in present:
                kind = column.type.compile(connection.dialect)
                connection.exec_driver_sql(
                    f"ALTER TABLE {_quoted(connection, table.name)} ADD COLUMN {column.name} {kind}"
                )
    table.metadata.create_all(connection)
    _index(connection, table, "by_owner", f"{OWNER}, created, id")
    return table


def index_by_age(connection: Connection, table: Table) -> None:
    """Have the oldest found without a look at all."""
    _index(connection, table, "by_age", STORED_AT)


def _index(connection: Connection, table: Table, name: str, columns: str) -> None:
    index, on = (_quoted(connection, one) for one in (f"{table.name}_{name}", table.name))
    connection.exec_driver_sql(f"CREATE INDEX IF NOT EXISTS {index} ON {on} ({columns})")


def _quoted(connection: Connection, name: str) -> str:
    return connection.dialect.identifier_preparer.quote_identifier(name)
