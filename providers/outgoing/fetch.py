"""Fetching what a request names."""

import asyncio
from types import TracebackType
from typing import Any, Self

import httpx

from providers.outgoing.gate import Gate, Purpose, parsed
from providers.outgoing.transport import AnswerTooLarge, CheckedTransport

MOST_BYTES = 64 * 1024 * 1024
"""The largest answer, of content and of tools alike."""
MOST_SECONDS = 60.0
"""What a fetch of content may take, redirects and all."""
SECONDS_TO_CONNECT = 10.0
MOST_REDIRECTS = 5
UNCOMPRESSED = {"Accept-Encoding": "identity"}


async def fetch(
    url: str, *, gate: Gate | None = None, most_bytes: int = MOST_BYTES, most_seconds: float = MOST_SECONDS
) -> httpx.Response:
    """Get the content that a request names, and return the answer with its body read.

    Raises URLNotAllowed, ValueError for what the client should change (no URL, an error status, too large, too many
    redirects), ConnectionError where nobody answers, TimeoutError.
    """
    address = parsed(url)
    # Only the host is named: what else stands in a URL may be a secret.
    where = f"`{address.host}`"
    try:
        async with asyncio.timeout(most_seconds):
            return await _get(address, gate or Gate(Purpose.CONTENT), most_bytes)
    except AnswerTooLarge as error:
        raise ValueError(f"What {where} has sent is not taken: {error}") from error
    except httpx.TooManyRedirects as error:
        raise ValueError(f"{where} redirects more than {MOST_REDIRECTS} times") from error
    except (httpx.TimeoutException, TimeoutError) as error:
        raise TimeoutError(f"{where} took longer than {most_seconds:g} seconds") from error
    except httpx.DecodingError as error:
        raise ValueError(f"What {where} has sent cannot be decoded") from error
    except httpx.RequestError as error:
        raise ConnectionError(f"{where} could not be reached: {error or type(error).__name__}") from error


async def _get(url: httpx.URL, gate: Gate, most_bytes: int) -> httpx.Response:
    async with (
        httpx.AsyncClient(
            transport=CheckedTransport(gate, most_bytes, takes_compressed=True),
            follow_redirects=True,
            max_redirects=MOST_REDIRECTS,
            timeout=httpx.Timeout(MOST_SECONDS, connect=SECONDS_TO_CONNECT),
        ) as client,
        client.stream("GET", url) as answer,
    ):
        if answer.is_error:
            raise ValueError(f"`{answer.url.host}` answered {answer.status_code}")
        parts = []
        taken = 0
        async for part in answer.aiter_bytes():
            taken += len(part)
            if taken > most_bytes:
                raise AnswerTooLarge(f"it is larger than {most_bytes} bytes")
            parts.append(part)
    headers = [(name, value) for name, value in answer.headers.multi_items() if name != "content-encoding"]
    return httpx.Response(answer.status_code, headers=headers, content=b"".join(parts), request=answer.request)


class ContentClient:
    """What upstream uses of httpx.AsyncClient where it fetches content."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing is left open."""

    async def get(self, url: str) -> httpx.Response:
        """Fetch a URL, see `fetch`."""
        return await fetch(url)


def tool_client(
    headers: dict[str, Any] | None = None,
    timeout: httpx.Timeout | None = None,
    auth: httpx.Auth | None = None,
    *,
    gate: Gate | None = None,
) -> httpx.AsyncClient:
    """Return the HTTP client for a tool's server, in the form that the MCP library takes as its factory.

    It follows no redirects: the MCP library follows those that stay with the server, so its headers go nowhere else.
    """
    return httpx.AsyncClient(
        transport=CheckedTransport(gate or Gate(Purpose.TOOL), MOST_BYTES, takes_compressed=False),
        headers=UNCOMPRESSED | (headers or {}),
        timeout=timeout or httpx.Timeout(SECONDS_TO_CONNECT, read=MOST_SECONDS),
        auth=auth,
    )
