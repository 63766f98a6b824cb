"""From llama-stack's own providers to ours, and back."""

import os
from contextlib import closing

import psycopg2
import pytest
from openai.resources.files import Files

from tests.integration.files.serving import Home

UPSTREAM_TABLE = "openai_files"


def contents(files: Files) -> dict[str, bytes]:
    """All files' contents."""
    return {file.id: files.content(file.id).read() for file in files.list()}


def descriptions(files: Files) -> dict[str, tuple[object, ...]]:
    """What is known of all files."""
    return {file.id: (file.filename, file.purpose, file.bytes, file.created_at) for file in files.list()}


@pytest.mark.parametrize("in_place", [False, True], ids=["own table", "upstream's table"])
def test_files_are_found_after_switching_and_switching_back(home: Home, in_place: bool) -> None:
    before = {}
    with home.serve(provider_type=home.place.upstream_type) as server:
        files = server.openai.files
        for name in ("a.txt", "b.txt", "c.txt", "elsewhere.txt"):
            content = os.urandom(1000)
            before[files.create(file=(name, content), purpose="assistants").id] = content
        described = descriptions(files)
    removed, *kept, elsewhere = before
    if not in_place:
        home.place.lose(elsewhere)
        del before[elsewhere], described[elsewhere]

    with home.serve(table=UPSTREAM_TABLE if in_place else home.table) as server:
        files = server.openai.files
        assert contents(files) == before
        assert descriptions(files) == described
        files.delete(removed)
        added = files.create(file=("new.txt", b"new"), purpose="assistants").id
        log = server.program.log.read_text()
        assert_sizes_beyond_2_gib_fit(home, UPSTREAM_TABLE if in_place else home.table)
        assert in_place or "1 files of the table openai_files are not taken over" in log

    with home.serve(provider_type=home.place.upstream_type) as server:
        files = server.openai.files
        assert {file.id for file in files.list()} - {added} == {*kept, elsewhere}
        for file_id in kept:
            assert files.content(file_id).read() == before[file_id]


def assert_sizes_beyond_2_gib_fit(home: Home, table: str) -> None:
    """SQLite's integers have 64 bits always; in PostgreSQL llama-stack's own table has 32."""
    if home.sql_backend["type"] == "sql_sqlite":
        return
    address = {key: home.sql_backend[key] for key in ("host", "port", "user", "password")}
    with closing(psycopg2.connect(dbname=home.sql_backend["db"], **address)) as connection:
        cursor = connection.cursor()
        query = "SELECT data_type FROM information_schema.columns WHERE table_name = %s AND column_name = 'bytes'"
        cursor.execute(query, [table])
        assert cursor.fetchall() == [("bigint",)]
