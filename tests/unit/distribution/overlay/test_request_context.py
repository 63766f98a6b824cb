"""A stream is made, and ended, as the user of its request."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from llama_stack.core.datatypes import User
from llama_stack.core.request_headers import (
    PROVIDER_DATA_VAR,
    RequestProviderDataContext,
    get_authenticated_user,
)
from llama_stack.core.server import server as upstream

server: Any = upstream
ALICE, BOB = (User(principal=name, attributes={}) for name in ("alice", "bob"))


class Events:
    """A stream that notes who its user is, also when it is ended."""

    def __init__(self) -> None:
        self.users: list[str | None] = []
        self.ended = asyncio.Event()

    def note(self) -> None:
        """Note who the user is."""
        user = get_authenticated_user()
        self.users.append(user.principal if user else None)

    async def __call__(self) -> AsyncIterator[str]:
        """Three events, between which others have their turn."""
        try:
            for number in range(3):
                self.note()
                yield str(number)
                await asyncio.sleep(0)
        finally:
            self.note()
            await asyncio.create_task(self.note_later())
            self.ended.set()

    async def note_later(self) -> None:
        """Note it in a task of its own, as where something is stored."""
        self.note()


def _response(events: Events) -> Any:
    with RequestProviderDataContext(user=ALICE):
        stream = server.preserve_contexts_async_generator(events(), [PROVIDER_DATA_VAR])
        return server.StreamingResponse(stream, media_type="text/event-stream")


def test_every_step_is_the_requests_users_and_none_of_them_who_awaits_it() -> None:
    async def read() -> tuple[Events, list[Any]]:
        events, sent = Events(), []

        async def send(message: Any) -> None:
            sent.append(message.get("body"))
            assert get_authenticated_user() == BOB

        with RequestProviderDataContext(user=BOB):
            await _response(events).stream_response(send)
        return events, sent

    events, sent = asyncio.run(read())

    assert sent == [None, b"0", b"1", b"2", b""]
    assert events.users == ["alice"] * 5


def test_a_stream_whose_client_leaves_while_it_is_sent_is_ended_at_once_as_its_user() -> None:
    async def leave() -> list[str | None]:
        events, sending = Events(), asyncio.Event()

        async def send(message: Any) -> None:
            if message.get("body"):
                sending.set()
                await asyncio.Event().wait()

        with RequestProviderDataContext(user=BOB):
            task = asyncio.create_task(_response(events).stream_response(send))
            await sending.wait()
            task.cancel()
            await asyncio.wait([task])
        assert events.ended.is_set()
        return events.users

    assert asyncio.run(leave()) == ["alice"] * 3
