"""Tables of llama-stack 0.3.3 are used as they are, and what they lack is added."""

import asyncio
from typing import Any

import pytest
from llama_stack.core.access_control.datatypes import AccessRule
from llama_stack.core.request_headers import RequestProviderDataContext
from llama_stack.core.storage.datatypes import InferenceStoreReference
from llama_stack.providers.utils.inference.inference_store import InferenceStore
from sqlalchemy import Engine, event

from providers.completions.pages import as_completion
from providers.completions.store import CompletionsStore
from tests.unit.providers.completions.conftest import ALICE, TABLE, Place, add, completion, listed

UPSTREAMS = """
CREATE TABLE {name} (
    id VARCHAR NOT NULL, created INTEGER, model VARCHAR, choices JSON, input_messages JSON,
    access_attributes JSON, owner_principal VARCHAR, PRIMARY KEY (id)
)
"""
ROW = "INSERT INTO {name} VALUES ('old', 5, 'm', '[]', '[{{\"role\":\"user\",\"content\":\"hi\"}}]', 'null', ?)"


@pytest.mark.parametrize("name", ["chat_completions", TABLE])
@pytest.mark.parametrize("owner", ["", None])
def test_what_an_earlier_image_stored_is_read_changed_and_removed(place: Place, name: str, owner: str | None) -> None:
    place.query(UPSTREAMS.format(name=name))
    place.query(ROW.format(name=name), owner)

    async def work(store: CompletionsStore) -> None:
        await add(store, None, completion("new", created=6))

        assert await listed(store) == (["old", "new"], False)
        shown = as_completion(await store.get("old"))
        assert (shown["usage"], shown["metadata"], shown["created"]) == (None, None, 5)
        await store.set_metadata("old", {"a": "b"})
        assert await listed(store, metadata={"a": "b"}) == (["old"], False)
        assert await store.remove_older(6, 10) == 1
        assert await listed(store) == (["new"], False)

    place.run(work)
    tables = place.query("SELECT name FROM sqlite_master WHERE type = 'table'")
    assert tables == [(name,)]


def test_a_second_start_changes_nothing(place: Place) -> None:
    async def work(store: CompletionsStore) -> None:
        await add(store, None, completion("c-1"))

    place.run(work)
    before = place.query("SELECT * FROM sqlite_master")
    place.run(work)
    assert place.query("SELECT * FROM sqlite_master") == before


def test_an_earlier_image_goes_on_with_the_table(place: Place) -> None:
    policy: list[AccessRule] = []

    async def work(store: CompletionsStore) -> None:
        await add(store, ALICE, completion("c-1", usage=b"{}", metadata={"a": "b"}))

    place.run(work)

    async def before() -> None:
        # llama-stack's own store, whose table has one name alone.
        place.query("ALTER TABLE inference_store RENAME TO chat_completions")
        store = InferenceStore(InferenceStoreReference(backend="sql", table_name=TABLE), policy)
        await store.initialize()  # type: ignore[no-untyped-call]
        with RequestProviderDataContext({}, ALICE):
            found = await store.get_chat_completion("c-1")
            assert found.choices[0].message.content == "Hi"
            await store.store_chat_completion(found.model_copy(update={"id": "c-2"}), found.input_messages)

    asyncio.run(before())

    async def again(store: CompletionsStore) -> None:
        assert await listed(store, ALICE) == (["c-1", "c-2"], False)

    place.run(again)


def test_a_list_of_one_user_is_found_without_a_look_at_the_others(place: Place) -> None:
    statements: list[tuple[str, Any]] = []

    def note(_connection: object, _cursor: object, statement: str, parameters: Any, *_rest: object) -> None:
        statements.append((statement, parameters))

    async def work(store: CompletionsStore) -> None:
        await add(store, ALICE, completion("c-1"))
        event.listen(Engine, "before_cursor_execute", note)
        try:
            await listed(store, ALICE, after="c-1", newest_first=True)
        finally:
            event.remove(Engine, "before_cursor_execute", note)

    place.run(work)
    plans = [place.query(f"EXPLAIN QUERY PLAN {statement}", *parameters) for statement, parameters in statements]
    steps = [step[-1] for plan in plans for step in plan]
    assert any("USING INDEX inference_store_by_owner (<expr>=? AND (created,id)<(?,?))" in step for step in steps)
    assert not any(step.startswith(("SCAN", "USE TEMP B-TREE")) for step in steps)
