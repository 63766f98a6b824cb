"""What runs beside the server for as long as it serves."""

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from fastapi import FastAPI


def run_alongside(app: FastAPI, enter: Callable[[], AbstractAsyncContextManager[Any]]) -> None:
    """Enter what ``enter`` returns when the application starts to serve, in its event loop, and leave it in the end."""
    serve = app.router.lifespan_context

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[Any]:
        async with serve(app) as state, enter():
            yield state

    app.router.lifespan_context = lifespan
