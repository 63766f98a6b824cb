"""The table of benchmarks/serving.py and the verdict of benchmarks/soak.py, in small. Nothing is said of times."""

import pytest

from benchmarks import peers, serving_figures
from benchmarks.serving_bench import Effort
from benchmarks.soak_verdict import soak
from tests.support.process import NotInstalled

SMALL = Effort(seconds=1, repetitions=1, streams=4, stored=40, requests=20, most_seconds=20, starts=0)


def test_a_table_has_ours_stock_and_the_bare_model_server() -> None:
    rows = ["chat", "streams", "search", "prompt", "stored", "stored-postgres", "memory", "image"]
    try:
        figures = serving_figures.measure(peers.here(), rows, SMALL)
    except NotInstalled as error:
        pytest.skip(str(error))
    by_name = {figure.name: figure for figure in figures}
    assert [figure.name for figure in figures if figure.name.endswith("failures") and figure.ours] == []
    assert all(figure.others is not None for figure in figures)
    assert {figure.name.split(",")[0].split(":")[0] for figure in figures if figure.stock is None} == {
        "stored in PostgreSQL",
        "image",
    }
    chat = by_name["chat, 8 connections: requests"]
    assert chat.bare
    assert chat.bare > chat.ours > 0
    for database in ("SQLite", "PostgreSQL"):
        stored = f"stored in {database}, 64 connections"
        assert (by_name[f"{stored}: acknowledged"].ours, by_name[f"{stored}: not there"].ours) == (SMALL.stored, 0)
    assert by_name["memory: requests"].ours >= SMALL.requests
    assert by_name["memory: at the end"].ours > 50  # megabytes: the server is more than its sandbox


def test_a_short_soak_breaks_no_bound() -> None:
    with peers.here() as (ours, _):
        figures, outcome = soak(ours, rounds=2, seconds=4)
    assert outcome.mistakes == []
    assert [figure.name for figure in figures if figure.met is False] == []
    kinds = {"chat", "stream", "leave_stream", "leave_early", "embed", "fail", "ask_wrongly", "read", "list", "remove"}
    assert set(outcome.done) == kinds
    assert outcome.removed
