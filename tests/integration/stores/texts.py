"""The table that the tests of stores write to."""

from pathlib import Path

from llama_stack.core.storage.datatypes import PostgresSqlStoreConfig, SqliteSqlStoreConfig
from sqlalchemy import Column, Connection, Integer, MetaData, String, Table, insert, select

from providers.stores import tables
from providers.stores.database import Database
from tests.support.postgres import Postgres

TEXTS = Table(
    "texts",
    MetaData(),
    Column("id", String, primary_key=True),
    Column("text", String, nullable=False),
    Column("number", Integer),
)


def sqlite_config(path: Path) -> SqliteSqlStoreConfig:
    """A SQLite file."""
    return SqliteSqlStoreConfig(db_path=str(path))


def postgres_config(server: Postgres) -> PostgresSqlStoreConfig:
    """A database of a PostgreSQL server."""
    return PostgresSqlStoreConfig(
        host=server.host, port=server.port, db=server.database, user=server.user, password=server.password
    )


async def create(database: Database) -> None:
    """Make the table, if it is not there."""
    await database.write(lambda connection: tables.create(connection, TEXTS))


async def add(database: Database, text_id: str, text: str = "") -> None:
    """Insert a row."""
    await database.insert("texts", {"id": text_id, "text": text, "number": None})


async def ids(database: Database) -> list[str]:
    """All ids, in order."""
    return await database.read(stored_ids)


def stored_ids(connection: Connection) -> list[str]:
    """All ids, in order."""
    return list(connection.execute(select(TEXTS.c.id).order_by(TEXTS.c.id)).scalars())


def put(connection: Connection, text_id: str) -> None:
    """Insert a row in a transaction."""
    connection.execute(insert(TEXTS).values(id=text_id, text=""))


def put_both(text_id: str, connection: Connection) -> None:
    """Insert two rows, the second with a `b` at the end of its id."""
    put(connection, text_id)
    put(connection, f"{text_id}b")
