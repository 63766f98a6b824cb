"""Tables are made when they are needed, by whichever process comes first."""

import sqlalchemy
from sqlalchemy import Connection, Table, func, select


def create(connection: Connection, *tables: Table) -> None:
    """Make the tables that are not there yet, with their indexes; in a transaction of a writer's."""
    for table in tables:
        if not sqlalchemy.inspect(connection).has_table(table.name):
            exclude_others(connection, table.name)
            table.create(connection, checkfirst=True)


def exclude_others(connection: Connection, purpose: str) -> None:
    """Have transactions of other processes with the same purpose wait for the end of this one.

    SQLite's write one after the other anyway.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(func.hashtext(purpose))))
