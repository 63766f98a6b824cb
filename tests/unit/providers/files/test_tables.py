"""The tables, made anew or out of those of llama-stack's own providers."""

import pytest
from sqlalchemy import Connection, create_engine, insert, inspect, select, text

from providers.files.tables import Tables

COLUMNS = {
    *("id", "filename", "purpose", "bytes", "created_at", "expires_at", "sha256", "verified_at", "damage"),
    *("owner_principal", "access_attributes"),
}
UPSTREAM = (
    "CREATE TABLE files (id VARCHAR PRIMARY KEY, filename VARCHAR, purpose VARCHAR, bytes INTEGER,"
    " created_at INTEGER, expires_at INTEGER)"
)
ROW = "INSERT INTO files VALUES ('file-1', 'a.txt', 'batch', 3, 1, 2)"


@pytest.fixture
def connection() -> Connection:
    """An empty database in memory."""
    return create_engine("sqlite://").connect()


def columns(connection: Connection, table: str) -> set[str]:
    """The names of a table's columns."""
    return {column["name"] for column in inspect(connection).get_columns(table)}


def test_both_tables_are_made_once(connection: Connection) -> None:
    tables = Tables.named("files")

    for _ in range(2):
        tables.create_or_upgrade(connection)
    assert columns(connection, "files") == COLUMNS
    assert columns(connection, "files_journal") == {"id", "state", "touched_at"}
    indexes = {index["name"] for index in inspect(connection).get_indexes("files")}
    assert indexes == {"files_by_time", "files_by_expiry"}


def test_an_upstream_table_gets_what_it_lacks_and_keeps_its_rows(connection: Connection) -> None:
    connection.execute(text(UPSTREAM))
    connection.execute(text(ROW))
    tables = Tables.named("files")

    tables.create_or_upgrade(connection)

    assert columns(connection, "files") == COLUMNS
    row = connection.execute(select(tables.files)).one()
    assert (row.id, row.filename, row.bytes, row.expires_at, row.sha256) == ("file-1", "a.txt", 3, 2, None)
    large = {"id": "file-2", "bytes": 5 << 40, "access_attributes": {"teams": ["a"]}}
    connection.execute(insert(tables.files).values(**large))
    row = connection.execute(select(tables.files).where(tables.files.c.id == "file-2")).one()
    assert (row.bytes, row.access_attributes) == (5 << 40, {"teams": ["a"]})


def test_two_providers_have_tables_of_their_own(connection: Connection) -> None:
    for name in ("one", "other"):
        Tables.named(name).create_or_upgrade(connection)

    assert set(inspect(connection).get_table_names()) == {"one", "one_journal", "other", "other_journal"}
