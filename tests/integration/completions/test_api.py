"""Stored chat completions through OpenAI's client: stored when they are answered, listed, read, changed, removed."""

from typing import Any

import pytest
from openai import BadRequestError, NotFoundError

from tests.integration.completions.conftest import MODEL, Stack

TRIES = 40


def test_what_is_answered_can_be_read_at_once(stack: Stack) -> None:
    for number in range(TRIES):
        completion_id = stack.ask(f"at-once-{number}")
        read = stack.openai.chat.completions.retrieve(completion_id)
        assert read.choices[0].message.content == f'You said: "at-once-{number}"'
        assert read.usage is not None
        assert (read.model, read.usage.total_tokens) == (MODEL, 2)
    assert len(stack.stored()) == TRIES


@pytest.mark.parametrize("options", [{}, {"stream_options": {"include_usage": True}}], ids=["plain", "with usage"])
def test_a_stream_is_stored_before_its_end_is_sent(stack: Stack, options: Any) -> None:
    for number in range(TRIES):
        stream = stack.openai.chat.completions.create(
            model=MODEL,
            messages=[{"role": "user", "content": "Hello"}],
            user=f"streamed-{number}",
            stream=True,
            **options,
        )
        assert {chunk.id for chunk in stream} == {f"chatcmpl-streamed-{number}"}
        found = stack.openai.chat.completions.retrieve(f"chatcmpl-streamed-{number}")
        assert found.choices[0].message.content == 'You said: "Hello"'
        assert (found.usage and found.usage.total_tokens) == (2 if options else None)
    assert len(stack.stored()) == TRIES


def test_a_client_that_leaves_a_stream_has_stored_what_came(stack: Stack) -> None:
    stack.backend.may_go_on.clear()
    with stack.openai.chat.completions.create(
        model=MODEL, messages=[{"role": "user", "content": "wait"}], user="left", stream=True
    ) as stream:
        next(iter(stream))
    try:
        for _ in range(100):
            if stack.http.get("/v1/chat/completions/chatcmpl-left").is_success:
                break
        assert stack.openai.chat.completions.retrieve("chatcmpl-left").choices[0].message.content == 'You said: "wait"'
    finally:
        stack.backend.may_go_on.set()
    assert stack.stored() == ["chatcmpl-left"]


def test_lists_have_pages_in_either_order_though_all_are_of_one_second(stack: Stack) -> None:
    ids = sorted(stack.ask(f"page-{number}") for number in range(7))
    completions = stack.openai.chat.completions
    try:
        assert [one.id for one in completions.list(limit=2, order="asc")] == ids
        assert [one.id for one in completions.list(limit=3)] == ids[::-1]
        page = completions.list(limit=3, order="asc", after=ids[1])
        assert ([one.id for one in page.data], page.has_more) == (ids[2:5], True)
        assert [one.id for one in completions.list(model="another")] == []
        assert len(list(completions.list(model=MODEL))) == 7
    finally:
        assert sorted(stack.stored()) == ids


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "limit=-1", "limit=x", "order=up", "after=nothing"])
def test_lists_refuse_what_they_do_not_know(stack: Stack, query: str) -> None:
    for path in ("/v1/chat/completions", "/v1/openai/v1/chat/completions"):
        answer = stack.http.get(f"{path}?{query}")
        assert answer.status_code == 400, answer.text
        assert answer.json()["error"]["type"] == "invalid_request_error"


def test_metadata_are_noted_found_and_changed_and_stay_here(stack: Stack) -> None:
    red = stack.ask("red", metadata={"of": "red", "[odd] name&=": "x"}, store=True)
    stack.ask("blue", metadata={"of": "blue"})
    completions = stack.openai.chat.completions

    assert "metadata" not in str(stack.backend.asked[-2:])
    assert "store" not in str(stack.backend.asked[-2:])
    assert [one.id for one in completions.list(metadata={"of": "red"})] == [red]
    assert [one.id for one in completions.list(metadata={"[odd] name&=": "x"})] == [red]
    assert [one.id for one in completions.list(metadata={"of": "red", "[odd] name&=": "y"})] == []
    assert completions.retrieve(red).metadata == {"of": "red", "[odd] name&=": "x"}

    changed = completions.update(red, metadata={"of": "green"})
    assert (changed.id, changed.metadata) == (red, {"of": "green"})
    assert [one.id for one in completions.list(metadata={"of": "green"})] == [red]
    assert completions.update(red, metadata=None).metadata is None
    assert len(stack.stored()) == 2


@pytest.mark.parametrize("metadata", [{"number": 5}, {"x" * 65: ""}, {"name": "x" * 513}, ["text"], "text"])
def test_metadata_that_are_none_are_refused(stack: Stack, metadata: Any) -> None:
    asked = len(stack.backend.asked)
    with pytest.raises(BadRequestError, match="metadata"):
        stack.ask("refused", metadata=metadata)
    with pytest.raises(BadRequestError, match="`store` has to be true or false"):
        stack.ask("refused", extra_body={"store": "yes"})
    assert len(stack.backend.asked) == asked
    kept = stack.ask("kept", metadata={"a": "b"})
    with pytest.raises(BadRequestError, match="metadata"):
        stack.openai.chat.completions.update(kept, metadata=metadata)
    assert stack.openai.chat.completions.retrieve(kept).metadata == {"a": "b"}
    assert stack.stored() == [kept]


def test_messages_are_listed_with_ids_and_parts(stack: Stack) -> None:
    parts: Any = [{"type": "text", "text": "What is it?"}, {"type": "text", "text": "Say."}]
    said: Any = [{"role": "system", "content": "Be short."}, {"role": "user", "content": parts}]
    completion_id = stack.openai.chat.completions.create(model=MODEL, messages=said, user="parts").id
    messages = stack.openai.chat.completions.messages

    listed = list(messages.list(completion_id, limit=1))
    assert [one.id for one in listed] == [f"{completion_id}-0", f"{completion_id}-1"]
    assert [(one.role, one.content, one.content_parts) for one in listed[:1]] == [("system", "Be short.", None)]
    assert [part.to_dict() for part in listed[1].content_parts or []] == parts
    assert listed[1].content is None
    assert [one.id for one in messages.list(completion_id, order="desc")] == [one.id for one in listed[::-1]]
    with pytest.raises(BadRequestError, match="`after` names no message"):
        messages.list(completion_id, after="nothing")
    with pytest.raises(NotFoundError):
        messages.list("nothing")
    assert stack.stored() == [completion_id]


def test_a_removed_completion_is_gone(stack: Stack) -> None:
    completion_id = stack.ask("a-word-that-goes")
    completions = stack.openai.chat.completions
    assert stack.tables_with("a-word-that-goes") == {"inference_store"}

    deleted = completions.delete(completion_id)

    assert (deleted.id, deleted.deleted, deleted.object) == (completion_id, True, "chat.completion.deleted")
    with pytest.raises(NotFoundError):
        completions.retrieve(completion_id)
    with pytest.raises(NotFoundError):
        completions.update(completion_id, metadata={})
    with pytest.raises(NotFoundError):
        completions.delete(completion_id)
    assert stack.tables_with("a-word-that-goes") == set()


def test_an_id_that_comes_again_names_the_newest_answer(stack: Stack) -> None:
    message: Any = {"role": "user", "content": "first"}
    stack.openai.chat.completions.create(model=MODEL, messages=[message], user="again")
    message = {"role": "user", "content": "second"}
    stack.openai.chat.completions.create(model=MODEL, messages=[message], user="again")

    read = stack.openai.chat.completions.retrieve("chatcmpl-again")
    assert read.choices[0].message.content == 'You said: "second"'
    assert stack.stored() == ["chatcmpl-again"]
