"""Stored completions lie in a table of this distribution's own, and are there because a client wants them to be."""

import sqlite3
from contextlib import closing

import pytest

from tests.security.conftest import Served
from tests.support.belongings import AGENT, CHAT_MODEL, Belongings


def stored(served: Served) -> str:
    """All that the table says."""
    with closing(sqlite3.connect(f"file:{served.data / 'sql_store.db'}?mode=ro", uri=True)) as database:
        return str(database.execute("SELECT * FROM inference_store").fetchall())


@pytest.mark.advisory("stored-completions-in-common")
def test_they_lie_in_the_table_that_the_run_config_names(served: Served) -> None:
    question = {"model": CHAT_MODEL, "messages": [{"role": "user", "content": "in a table of its own"}]}
    assert served.http.post("/v1/chat/completions", json=question).status_code == 200

    assert "of its own" in stored(served)
    with closing(sqlite3.connect(f"file:{served.data / 'sql_store.db'}?mode=ro", uri=True)) as database:
        tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    assert "chat_completions" not in tables


@pytest.mark.advisory("completions-stored-unasked")
def test_what_no_client_wants_to_be_stored_is_not_stored(served: Served) -> None:
    mine = Belongings("anybody", served.http)
    said = [{"role": "user", "content": "said-in-confidence"}]

    mine.post("/v1/chat/completions", {"model": CHAT_MODEL, "messages": said, "store": False})
    mine.post("/v1/responses", {"model": CHAT_MODEL, "input": said[0]["content"], "store": False})
    response = mine.post("/v1/responses", {"model": CHAT_MODEL, "input": said[0]["content"]})["id"]
    assert mine.http.delete(f"/v1/responses/{response}").is_success
    agent = f"/v1alpha/agents/{mine.post('/v1alpha/agents', {'agent_config': AGENT})['agent_id']}/session"
    session = mine.post(agent, {"session_name": "confident"})["session_id"]
    turn = mine.http.post(f"{agent}/{session}/turn", json={"messages": said, "stream": True})
    assert "said-in-confidence" in turn.text

    assert "said-in-confidence" not in stored(served)
    assert "said-in-confidence" not in mine.http.get("/v1/chat/completions?limit=100").text


@pytest.mark.advisory("completions-stored-unasked")
def test_a_removed_completion_is_in_no_table(served: Served) -> None:
    mine = Belongings("anybody", served.http)
    question = {"model": CHAT_MODEL, "messages": [{"role": "user", "content": "said-in-error"}], "user": "in-error"}
    completion = mine.post("/v1/chat/completions", question)["id"]
    assert "said-in-error" in stored(served)

    assert mine.http.delete(f"/v1/chat/completions/{completion}").json()["deleted"] is True

    assert "said-in-error" not in stored(served)
