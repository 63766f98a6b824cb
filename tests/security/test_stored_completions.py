"""Stored completions lie in a table of this distribution's own."""

import sqlite3

import pytest

from tests.integration.files.waiting import wait_until
from tests.security.conftest import Served


@pytest.mark.advisory("stored-completions-in-common")
def test_they_lie_in_the_table_that_the_run_config_names(served: Served) -> None:
    question = {"model": "vllm/scripted", "messages": [{"role": "user", "content": "in a table of its own"}]}
    assert served.http.post("/v1/chat/completions", json=question).status_code == 200

    database = sqlite3.connect(f"file:{served.data / 'sql_store.db'}?mode=ro", uri=True)
    wait_until(lambda: "of its own" in str(database.execute("SELECT * FROM inference_store").fetchall()))

    tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    assert "chat_completions" not in tables
