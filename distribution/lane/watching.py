"""Somebody who waits for an answer may leave; then nobody needs it."""

import asyncio
from typing import TYPE_CHECKING, Self, cast

if TYPE_CHECKING:
    from starlette.types import Receive

SECONDS_BEFORE = 0.05
"""How long an answer may take before anybody looks whether its client is still there: most do not take that long."""


class ClientWatch:
    """A block that ends when the client has gone, whatever it waits for then."""

    def __init__(self, receive: "Receive") -> None:
        self.client_is_gone = False
        self._receive = receive
        self._waiting: asyncio.Task[None] | None = None

    def __enter__(self) -> Self:
        """Begin; the body of the request has been received."""
        self._task = cast("asyncio.Task[object]", asyncio.current_task())
        self._begin = asyncio.get_running_loop().call_later(SECONDS_BEFORE, self._watch)
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> bool:
        """End; that the client has gone is no error."""
        self._begin.cancel()
        if self._waiting is not None:
            self._waiting.cancel()
        if not self.client_is_gone:
            return False
        self._task.uncancel()
        return kind is asyncio.CancelledError

    def _watch(self) -> None:
        self._waiting = asyncio.get_running_loop().create_task(self._wait())

    async def _wait(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.client_is_gone = True
        self._task.cancel()
