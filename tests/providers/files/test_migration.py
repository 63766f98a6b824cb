"""From llama-stack's own providers to ours, and back."""

import os
from typing import Any

import pytest
from openai.resources.files import Files

from tests.providers.files.places import S3Place
from tests.providers.files.serving import Home

UPSTREAM_TABLE = "openai_files"


def contents(files: Files) -> dict[str, bytes]:
    return {file.id: files.content(file.id).read() for file in files.list()}


def upstream_options(home: Home) -> dict[str, Any]:
    """The same config serves both; only llama-stack's S3 provider does not make its bucket's address itself."""
    return {"provider_type": home.place.upstream_type}


@pytest.mark.parametrize("in_place", [False, True], ids=["own table", "upstream's table"])
def test_files_are_found_after_switching_and_switching_back(home: Home, in_place: bool) -> None:
    table = UPSTREAM_TABLE if in_place else home.table
    before = {}
    with home.serve(**upstream_options(home)) as server:
        files = server.openai.files
        for name, purpose in (("a.txt", "assistants"), ("b.jsonl", "batch"), ("c.txt", "assistants")):
            content = os.urandom(1000)
            before[files.create(file=(name, content), purpose=purpose).id] = content  # type: ignore[arg-type]
        described = {file.id: (file.filename, file.purpose, file.bytes, file.created_at) for file in files.list()}
    removed, *kept = before

    with home.serve(table=table) as server:
        files = server.openai.files
        assert contents(files) == before
        after = {file.id: (file.filename, file.purpose, file.bytes, file.created_at) for file in files.list()}
        assert after == described
        files.delete(removed)
        added = files.create(file=("new.txt", b"new"), purpose="assistants").id

    with home.serve(table=table) as server:
        assert set(contents(server.openai.files)) == {*kept, added}

    with home.serve(**upstream_options(home)) as server:
        listed = {file.id for file in server.openai.files.list()}
        assert listed - {added} == set(kept)
        for file_id in kept:
            assert server.openai.files.content(file_id).read() == before[file_id]


def test_files_of_another_place_are_left_alone(home: Home) -> None:
    with home.serve(**upstream_options(home)) as server:
        here = server.openai.files.create(file=("here", b"here"), purpose="assistants").id
        elsewhere = server.openai.files.create(file=("elsewhere", b"elsewhere"), purpose="assistants").id
    home.place.lose(elsewhere)
    with home.serve() as server:
        assert contents(server.openai.files) == {here: b"here"}
        log = " ".join(server.program.log.read_text().split())  # Lines are broken to fit a terminal.
        assert "1 files of the table openai_files are not taken over" in log


def test_two_tables_do_not_collide(home: Home) -> None:
    """Another table of the same backend knows nothing of the first one's files."""
    with home.serve() as server:
        made = server.openai.files.create(file=("x", b"x"), purpose="assistants").id
    with home.serve(table=f"{home.table}_2") as server:
        assert list(server.openai.files.list()) == []
    with home.serve() as server:
        assert [file.id for file in server.openai.files.list()] == [made]
    assert isinstance(home.place, S3Place) or made in home.place.objects()
