"""Answering a client that is still sending."""

import asyncio
from contextlib import suppress

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_PATIENCE_SECS = 5


class EarlyAnswer:
    """ASGI middleware: an answer given before the whole request came in reaches the client.

    If the connection were closed at once, the client's machine would throw the answer away. So what still comes
    in after the answer is read and dropped until the client stops or time is up.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        is_coming_in = True

        async def watch() -> Message:
            nonlocal is_coming_in
            message = await receive()
            is_coming_in = message["type"] == "http.request" and message.get("more_body", False)
            return message

        async def answer(message: Message) -> None:
            if is_coming_in and message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], (b"connection", b"close")]}
            elif is_coming_in and not message.get("more_body", False):
                await send({**message, "more_body": True})
                with suppress(TimeoutError):
                    async with asyncio.timeout(_PATIENCE_SECS):
                        while is_coming_in:
                            await watch()
                message = {"type": "http.response.body"}
            await send(message)

        await self._app(scope, watch, answer)
