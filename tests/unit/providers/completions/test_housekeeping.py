"""What is older than the operator wants it to be goes, whosever it is."""

import asyncio
import time

import pytest

from providers.completions.housekeeping import keep_house, remove_older
from providers.completions.settings import DAYS
from providers.completions.store import CompletionsStore
from tests.unit.providers.completions.conftest import ALICE, Place, add, completion

DAY = 86_400
PROMPTLY = 0.01


def age(place: Place, completion_id: str, days: float) -> None:
    """Have a completion be older."""
    place.query("UPDATE inference_store SET stored_at = ? WHERE id = ?", int(time.time() - days * DAY), completion_id)


def ids(place: Place) -> list[str]:
    """Those that are there."""
    return [name for (name,) in place.query("SELECT id FROM inference_store ORDER BY id")]


def test_it_goes_by_the_time_of_storing_a_few_at_a_time(place: Place) -> None:
    async def work(store: CompletionsStore) -> None:
        await add(store, ALICE, *(completion(f"c-{number}", created=0) for number in range(7)))
        await add(store, None, completion("c-young", created=0))
        for number in range(7):
            age(place, f"c-{number}", 1.5)
        age(place, "c-young", 0.5)

        await remove_older(store, 1, at_once=2)

        assert ids(place) == ["c-young"]

    place.run(work)


def test_it_is_done_at_intervals_by_all_replicas(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(DAYS, "1")

    async def work(store: CompletionsStore) -> None:
        async with (
            place.store() as other,
            keep_house(store, 1, interval=PROMPTLY, at_once=1),
            keep_house(other, 1, interval=PROMPTLY, at_once=1),
            asyncio.timeout(30),
        ):
            for _ in range(2):
                await add(store, ALICE, *(completion(f"c-{number}") for number in range(5)))
                for number in range(5):
                    age(place, f"c-{number}", 2)
                while ids(place):
                    await asyncio.sleep(PROMPTLY)

    place.run(work)
    plan = place.query(
        "EXPLAIN QUERY PLAN SELECT id FROM inference_store WHERE coalesce(stored_at, created) < 5 LIMIT 500"
    )
    assert [step[-1] for step in plan] == ["SEARCH inference_store USING INDEX inference_store_by_age (<expr><?)"]


def test_it_goes_on_after_an_error(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    async def work(store: CompletionsStore) -> None:
        await add(store, None, completion("c-1"))
        age(place, "c-1", 2)
        place.query("CREATE TRIGGER kept BEFORE DELETE ON inference_store BEGIN SELECT raise(ABORT, 'not now'); END")
        async with keep_house(store, 1, interval=PROMPTLY), asyncio.timeout(30):
            while "cannot be removed" not in caplog.text:
                await asyncio.sleep(PROMPTLY)
            place.query("DROP TRIGGER kept")
            while ids(place):
                await asyncio.sleep(PROMPTLY)

    place.run(work)


def test_without_a_setting_nothing_runs(place: Place) -> None:
    async def work(store: CompletionsStore) -> None:
        before = asyncio.all_tasks()
        async with keep_house(store, store.settings.days):
            assert asyncio.all_tasks() == before

    place.run(work)
