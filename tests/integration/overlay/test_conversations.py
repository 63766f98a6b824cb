"""Conversations: all their items, in the order in which they came, for clients and for the model."""

import json
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import openai
import pytest

from tests.support import http_server
from tests.support.process import LOOPBACK
from tests.support.run_configs import AGENTS, run_config, vllm_provider
from tests.support.stack_server import StackServer, serve

MODEL = "vllm/scripted"
FILE_SEARCH = {
    "type": "file_search_call",
    "id": "fs_1",
    "queries": ["necks"],
    "status": "completed",
    "results": [{"attributes": {}, "file_id": "f", "filename": "f", "score": 1, "text": "Giraffes."}],
}


class _Model(http_server.Handler):
    """As much of an OpenAI-compatible server as answers "answer N", and keeps what it was asked."""

    asked: list[list[dict[str, Any]]]

    def do_GET(self) -> None:
        models = [{"id": "scripted", "object": "model", "created": 0, "owned_by": "us"}]
        self._send("application/json", json.dumps({"object": "list", "data": models}))

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.asked.append(request["messages"])
        choice = {"index": 0, "delta": {"role": "assistant", "content": f"answer {len(self.asked)}"}}
        chunk = {"id": "c", "object": "chat.completion.chunk", "created": 0, "model": "scripted"}
        chunks = [
            {**chunk, "choices": [{**choice, "finish_reason": None}]},
            {**chunk, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
        ]
        self._send("text/event-stream", "".join(f"data: {json.dumps(one)}\n\n" for one in chunks) + "data: [DONE]\n\n")

    def _send(self, content_type: str, body: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())


@dataclass(frozen=True)
class Stack:
    """A server with agents, what its model was asked, and the file of its items."""

    server: StackServer
    asked: list[list[dict[str, Any]]]
    database: Path

    @property
    def conversations(self) -> Any:
        """Untyped: items are dictionaries here."""
        return self.server.openai.conversations

    def ask(self, conversation_id: str, question: Any) -> list[tuple[str, str]]:
        """Ask a question, and return what reached the model, as role and text."""
        self.server.openai.responses.create(model=MODEL, input=question, conversation=conversation_id)
        return [(message["role"], _text(message.get("content"))) for message in self.asked[-1]]


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """One server for all tests."""
    directory = tmp_path_factory.mktemp("conversations")
    asked: list[list[dict[str, Any]]] = []
    handler = type("Model", (_Model,), {"asked": asked})
    with http_server.serving(handler) as port:
        providers = {
            "inference": [vllm_provider("vllm", f"http://{LOOPBACK}:{port}/v1")],
            "agents": [AGENTS],
        }
        with serve(run_config(directory, providers)) as server:
            yield Stack(server, asked, directory / "sql.db")


def test_all_items_can_be_listed(stack: Stack) -> None:
    conversation_id, texts = _filled(stack, 45)

    items = stack.conversations.items
    assert [_said(item) for item in items.list(conversation_id, order="asc")] == texts
    assert [_said(item) for item in items.list(conversation_id)] == texts[::-1]
    first = items.list(conversation_id, order="asc", limit=30)
    second = items.list(conversation_id, order="asc", limit=30, after=first.last_id)
    assert [_said(item) for item in first.data] == texts[:30]
    assert [_said(item) for item in second.data] == texts[30:]
    assert (first.first_id, first.last_id, first.has_more) == (first.data[0].id, first.data[-1].id, True)
    assert not second.has_more
    assert len(items.list(conversation_id).data) == 20


def test_a_page_that_cannot_be_is_refused(stack: Stack) -> None:
    conversation_id, _ = _filled(stack, 1)
    options: list[dict[str, Any]] = [{"limit": 0}, {"limit": 101}, {"order": "random"}, {"after": "msg_none"}]
    for option in options:
        with pytest.raises(openai.APIStatusError) as error:
            stack.conversations.items.list(conversation_id, **option)
        assert error.value.status_code in (400, 404)


def test_items_stay_in_the_order_in_which_they_came(stack: Stack) -> None:
    texts = [f"first {n}" for n in range(5)]
    conversation_id = stack.conversations.create(items=[_message(text) for text in texts]).id
    for n in range(4):
        more = [f"call {n} item {m}" for m in range(3)]
        stack.conversations.items.create(conversation_id, items=[_message(text) for text in more])
        texts += more

    assert [_said(item) for item in stack.conversations.items.list(conversation_id, order="asc")] == texts
    assert [_said(item) for item in stack.conversations.items.list(conversation_id, order="desc")] == texts[::-1]


def test_calls_at_the_same_time_do_not_mix_their_items(stack: Stack) -> None:
    conversation_id = stack.conversations.create().id

    def add(call: int) -> None:
        stack.conversations.items.create(conversation_id, items=[_message(f"{call}") for _ in range(5)])

    with ThreadPoolExecutor(6) as threads:
        list(threads.map(add, range(6)))

    calls = [_said(item) for item in stack.conversations.items.list(conversation_id, order="asc")]
    assert len(calls) == 30
    assert all(len(set(calls[n : n + 5])) == 1 for n in range(0, 30, 5))


def test_an_item_of_another_conversation_is_added_to_this_one(stack: Stack) -> None:
    one, _ = _filled(stack, 1)
    other = stack.conversations.create().id
    item_id = stack.conversations.items.list(one).data[0].id

    added = stack.conversations.items.create(other, items=[{**_message("mine"), "id": item_id}])

    assert [_said(item) for item in stack.conversations.items.list(one)] == ["text 0"]
    assert [(item.id, _said(item)) for item in stack.conversations.items.list(other)] == [(added.first_id, "mine")]


def test_the_model_is_shown_all_items(stack: Stack) -> None:
    conversation_id, texts = _filled(stack, 45)

    assert stack.ask(conversation_id, "And?") == [("user", text) for text in [*texts, "And?"]]


def test_the_model_is_shown_what_was_changed_after_a_response(stack: Stack) -> None:
    conversation_id = stack.conversations.create().id
    stack.ask(conversation_id, "secret")
    secret, answer = stack.conversations.items.list(conversation_id, order="asc")
    stack.conversations.items.create(conversation_id, items=[_message("added")])
    stack.conversations.items.delete(secret.id, conversation_id=conversation_id)

    reached = stack.ask(conversation_id, "And?")

    assert reached == [("assistant", _said(answer)), ("user", "added"), ("user", "And?")]


def test_the_model_is_shown_what_a_user_says_twice(stack: Stack) -> None:
    conversation_id = stack.conversations.create().id
    question = [_message("Go on")]
    stack.ask(conversation_id, question)

    assert [role for role, _ in stack.ask(conversation_id, question)] == ["user", "assistant", "user"]


def test_the_model_is_shown_what_tools_found(stack: Stack) -> None:
    failed = {"type": "mcp_call", "id": "mcp_1", "arguments": "{}", "name": "look", "server_label": "s", "error": "No."}
    searched = {"type": "web_search_call", "id": "ws_1", "status": "completed"}
    conversation_id = stack.conversations.create(items=[_message("Who?"), FILE_SEARCH, failed, searched]).id

    reached = stack.ask(conversation_id, "And?")

    assert [role for role, _ in reached] == ["user", "assistant", "tool", "assistant", "tool", "user"]
    assert [text for role, text in reached if role == "tool"] == ["Giraffes.", "No."]


def test_nothing_is_left_of_a_deleted_conversation(stack: Stack) -> None:
    conversation_id = stack.conversations.create().id
    stack.ask(conversation_id, "secret")
    kept, _ = _filled(stack, 1)
    with sqlite3.connect(stack.database) as database:  # as earlier versions left it
        database.execute("INSERT OR IGNORE INTO conversation_messages (conversation_id) VALUES (?)", [conversation_id])

    assert stack.conversations.delete(conversation_id).deleted

    with sqlite3.connect(stack.database) as database:
        for table in ("conversation_items", "conversation_messages"):
            query = f"SELECT count(*) FROM {table} WHERE conversation_id = ?"  # noqa: S608
            assert database.execute(query, [conversation_id]).fetchone() == (0,)
    assert len(stack.conversations.items.list(kept).data) == 1
    with pytest.raises(openai.APIStatusError, match="not found"):
        stack.conversations.delete(conversation_id)
    with pytest.raises(openai.APIStatusError, match="not found"):
        stack.conversations.items.create(conversation_id, items=[_message("late")])


def _filled(stack: Stack, count: int) -> tuple[str, list[str]]:
    """A conversation, and the texts of its items."""
    texts = [f"text {n}" for n in range(count)]
    conversation_id: str = stack.conversations.create().id
    for start in range(0, count, 20):
        items = [_message(text) for text in texts[start : start + 20]]
        stack.conversations.items.create(conversation_id, items=items)
    return conversation_id, texts


def _message(text: str) -> dict[str, Any]:
    return {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}


def _said(item: Any) -> str:
    return str(item.content[0].text)


def _text(content: Any) -> str:
    return content if isinstance(content, str) else "".join(part["text"] for part in content or [])
