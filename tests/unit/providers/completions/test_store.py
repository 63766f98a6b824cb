"""What is stored is there, in order, for its owner, and changes as its owner wants it."""

import asyncio
import logging
import sqlite3
from contextlib import closing
from typing import Any

import pytest
from llama_stack.apis.common.errors import ResourceNotFoundError
from llama_stack.core.access_control.access_control import AccessDeniedError
from llama_stack.core.access_control.datatypes import AccessRule
from llama_stack.core.datatypes import User
from llama_stack.core.request_headers import RequestProviderDataContext

from providers.completions.pages import as_completion
from providers.completions.store import LITTLE_PATIENCE, PATIENCE, CompletionsStore
from tests.unit.providers.completions.conftest import ALICE, BOB, RITA, Place, add, completion, listed

TEAMS_READ = [
    AccessRule.model_validate({"permit": {"actions": actions}, "when": when})
    for actions, when in (
        (["create", "read", "update", "delete"], "user is owner"),
        (["read"], "user in owners teams"),
    )
]


def test_a_completion_is_there_when_it_has_been_added_as_it_came(place: Place) -> None:
    async def work(store: CompletionsStore) -> None:
        usage = b'{"total_tokens":2,"of_another_kind":{"cached":1}}'
        note = {"project": 'quotes " and \\ and \N{SNOWMAN}'}
        more: dict[str, Any] = {"metadata": note, "service_tier": "default", "system_fingerprint": "fp_1"}
        await add(store, None, completion("c-1", usage=usage, **more))

        assert place.query("SELECT id, usage FROM inference_store") == [("c-1", usage.decode())]
        assert as_completion(await store.get("c-1")) == {
            "id": "c-1",
            "object": "chat.completion",
            "created": 1_700_000_000,
            "model": "vllm/scripted",
            "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}],
            "usage": {"total_tokens": 2, "of_another_kind": {"cached": 1}},
            "input_messages": [{"role": "user", "content": "Hello"}],
            **more,
        }

    place.run(work)


def test_a_list_goes_by_time_and_then_by_id_and_a_page_begins_after_any_of_them(place: Place) -> None:
    async def work(store: CompletionsStore) -> None:
        await add(
            store,
            None,
            *(completion(f"c-{name}", created=created) for name, created in zip("dbace", [2, 1, 1, 1, 0], strict=True)),
        )
        ids = ["c-e", "c-a", "c-b", "c-c", "c-d"]

        assert await listed(store) == (ids, False)
        assert await listed(store, newest_first=True) == (ids[::-1], False)
        for at, one in enumerate(ids):
            assert await listed(store, after=one, limit=2) == (ids[at + 1 : at + 3], at < 2)
            assert await listed(store, after=one, newest_first=True) == (ids[:at][::-1], False)

    place.run(work)


def test_a_list_is_of_a_model_and_of_what_was_noted(place: Place) -> None:
    async def work(store: CompletionsStore) -> None:
        odd = "a\"b'c].$%"
        await add(
            store,
            None,
            completion("c-1", metadata={"of": "red", odd: "x"}),
            completion("c-2", metadata={"of": "red", "page": "2"}, model="other"),
            completion("c-3", metadata={"of": "blue"}),
            completion("c-4"),
        )

        assert await listed(store, model="other") == (["c-2"], False)
        assert await listed(store, metadata={"of": "red"}) == (["c-1", "c-2"], False)
        assert await listed(store, metadata={"of": "red"}, limit=1) == (["c-1"], True)
        assert await listed(store, metadata={"of": "red", "page": "2"}) == (["c-2"], False)
        assert await listed(store, metadata={odd: "x"}) == (["c-1"], False)
        assert await listed(store, metadata={"of": "re%"}) == ([], False)

    place.run(work)


def test_a_completion_is_its_owners_alone(place: Place) -> None:
    async def work(store: CompletionsStore) -> None:
        await add(store, ALICE, completion("hers"))
        await add(store, None, completion("nobodys"))

        assert await listed(store, ALICE) == (["hers"], False)
        assert await listed(store, None) == (["nobodys"], False)
        for other in (RITA, BOB, User("", {"teams": ["red"]})):
            assert await listed(store, other) == ([], False)
            with RequestProviderDataContext({}, other):
                for attempt in (store.get("hers"), store.set_metadata("hers", {}), store.remove("hers")):
                    with pytest.raises(ResourceNotFoundError):
                        await attempt

    place.run(work)


@pytest.mark.parametrize("after", ["hers", "nobodys-at-all"])
def test_a_page_does_not_tell_whether_another_users_completion_is_there(place: Place, after: str) -> None:
    async def work(store: CompletionsStore) -> None:
        await add(store, ALICE, completion("hers"))

        with pytest.raises(ValueError, match=f"^`after` names no stored chat completion: {after}$"):
            await listed(store, BOB, after=after)

    place.run(work)


@pytest.mark.advisory("rows-changed-unchecked")
def test_by_a_policy_a_team_reads_and_changes_nothing(place: Place) -> None:
    place.policy = TEAMS_READ

    async def work(store: CompletionsStore) -> None:
        await add(store, BOB, *(completion(f"bobs-{number:03}") for number in range(300)))
        await add(
            store, ALICE, completion("hers-1", created=1_700_000_001), completion("hers-2", created=1_700_000_002)
        )

        assert await listed(store, RITA, limit=1) == (["hers-1"], True)
        assert await listed(store, RITA, after="hers-1") == (["hers-2"], False)
        with RequestProviderDataContext({}, RITA):
            for attempt in (store.set_metadata("hers-1", {}), store.remove("hers-1")):
                with pytest.raises(AccessDeniedError):
                    await attempt
        assert await listed(store, ALICE) == (["hers-1", "hers-2"], False)

    place.run(work)


@pytest.mark.advisory("rows-changed-unchecked")
def test_an_id_that_comes_again_is_the_newest_of_its_owner_and_never_another_users(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    async def work(store: CompletionsStore) -> None:
        await add(store, ALICE, completion("c-1", metadata={"turn": "1"}), completion("c-1", metadata={"turn": "2"}))
        await add(store, BOB, completion("c-1", metadata={"turn": "3"}))
        await add(store, None, completion("c-1", metadata={"turn": "4"}))

        with RequestProviderDataContext({}, ALICE):
            assert (await store.get("c-1"))["metadata"] == {"turn": "2"}
        assert await listed(store, BOB) == await listed(store, None) == ([], False)
        assert store.losses.told() is None

    with caplog.at_level(logging.WARNING):
        place.run(work)
    assert caplog.text.count("The chat completion c-1 is not stored: its id is another user's.") == 2


def test_metadata_are_changed_and_completions_removed(place: Place) -> None:
    async def work(store: CompletionsStore) -> None:
        await add(store, ALICE, completion("c-1", metadata={"a": "b"}), completion("c-2", metadata={"a": "b"}))
        with RequestProviderDataContext({}, ALICE):
            assert (await store.set_metadata("c-1", {"x": "y"}))["metadata"] == {"x": "y"}
            assert (await store.get("c-1"))["metadata"] == {"x": "y"}
            await store.set_metadata("c-1", None)
            await store.remove("c-2")
            with pytest.raises(ResourceNotFoundError):
                await store.remove("c-2")
        assert place.query("SELECT id, metadata, owner_principal FROM inference_store") == [("c-1", None, "alice")]

    place.run(work)


@pytest.mark.parametrize("created", [-1, 2**31, 1_700_000_000_000])
def test_a_time_that_is_none_becomes_that_of_storing(place: Place, created: int) -> None:
    async def work(store: CompletionsStore) -> None:
        await add(store, None, completion("c-1", created=created))

    place.run(work)
    assert place.query("SELECT id FROM inference_store WHERE created = stored_at") == [("c-1",)]


def test_a_completion_that_the_table_does_not_take_is_lost_alone_and_said_without_its_content(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    async def work(store: CompletionsStore) -> None:
        place.query(
            "CREATE TRIGGER full BEFORE INSERT ON inference_store WHEN new.id = 'c-1' "
            "BEGIN SELECT raise(ABORT, 'no room'); END"
        )
        await add(store, None, completion("c-1", messages=b'["what was said"]'), completion("c-2"))

        assert await listed(store) == (["c-2"], False)
        assert str(store.losses.told()).startswith("Chat completions are stored again. Lost: 1,")

    place.run(work)
    assert "A chat completion could not be stored: " in caplog.text
    assert "what was said" not in caplog.text


def test_a_database_that_hangs_holds_answers_up_for_a_while_and_then_for_less(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float | None] = []

    def timeout(seconds: float | None) -> asyncio.Timeout:
        waited.append(seconds)
        return asyncio.Timeout(asyncio.get_running_loop().time() + 0.1 if len(waited) <= 2 else None)

    async def work(store: CompletionsStore) -> None:
        with closing(sqlite3.connect(place.path, isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            await add(store, None, completion("c-1"), completion("c-2"))
            assert "cannot be stored. Lost so far: 2." in str(store.losses.told())
            other.execute("ROLLBACK")
        await add(store, None, completion("c-3"), completion("c-4"))
        assert waited == [PATIENCE, LITTLE_PATIENCE, LITTLE_PATIENCE, PATIENCE]  # it has answered the third
        assert {"c-3", "c-4"} <= set((await listed(store))[0])
        assert str(store.losses.told()).startswith("Chat completions are stored again. Lost: 2,")

    monkeypatch.setattr("providers.completions.store.asyncio.timeout", timeout)
    place.run(work)
