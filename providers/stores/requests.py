"""What is asked of a database: by a coroutine of some event loop, of a thread."""

import asyncio
import contextvars
import itertools
from collections.abc import Callable, Iterable
from typing import Any

import sqlalchemy

Work = Callable[[sqlalchemy.Connection], Any]


class Request:
    """Something to be done, and the future that somebody waits for."""

    __slots__ = ("error", "future", "loop", "result", "size")

    def __init__(self, loop: asyncio.AbstractEventLoop, size: int) -> None:
        self.loop = loop
        self.future: asyncio.Future[Any] = loop.create_future()
        self.size = size
        self.result: Any = None
        self.error: BaseException | None = None


class WorkRequest(Request):
    """A function that is to be called with a connection, in the context of the one who asks, which names the user."""

    __slots__ = ("_context", "_work")

    def __init__(self, loop: asyncio.AbstractEventLoop, work: Work) -> None:
        super().__init__(loop, 0)
        self._context = contextvars.copy_context()
        self._work = work

    def call(self, connection: sqlalchemy.Connection) -> Any:
        """Call it."""
        return self._context.run(self._work, connection)


class InsertRequest(Request):
    """A row that is to be inserted. ``shape`` is the table and its columns."""

    __slots__ = ("shape", "values")

    def __init__(
        self, loop: asyncio.AbstractEventLoop, shape: tuple[str, tuple[str, ...]], values: tuple[Any, ...]
    ) -> None:
        size = 0
        for value in values:
            if type(value) is str or type(value) is bytes:
                size += len(value)
        super().__init__(loop, size)
        self.shape = shape
        self.values = values


def answer(requests: Iterable[Request]) -> None:
    """Tell all who wait, each event loop in one call."""
    for loop, group in itertools.groupby(requests, key=lambda request: request.loop):
        try:
            loop.call_soon_threadsafe(_resolve, list(group))
        except RuntimeError:  # the loop is closed: nobody waits any more
            continue


def _resolve(requests: list[Request]) -> None:
    for request in requests:
        if request.future.done():  # cancelled, or out of time
            continue
        if request.error is None:
            request.future.set_result(request.result)
        else:
            request.future.set_exception(request.error)
