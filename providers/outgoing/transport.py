"""The connection: to an address that the gate has just decided on, and no further than its limits."""

import functools
import ssl
from collections.abc import AsyncIterator

import httpx

from providers.outgoing.gate import Gate


class AnswerTooLarge(httpx.RequestError):
    """A server has sent more than is taken."""


class CheckedTransport(httpx.AsyncBaseTransport):
    """Asks the gate for each request, redirects among them, and connects to an address that it has checked.

    The name is resolved once: what was checked is what is connected to, whatever the name server says next. TLS and the
    Host header still name the host. `most_bytes` is the size of the largest answer as it comes over the wire; unless
    `takes_compressed`, nothing makes more of it afterwards.
    """

    def __init__(self, gate: Gate, most_bytes: int, *, takes_compressed: bool) -> None:
        self._gate = gate
        self._most_bytes = most_bytes
        self._takes_compressed = takes_compressed
        # One for each host: connections are kept by address, and two hosts of one address are not to share theirs.
        self._transports: dict[tuple[str, str | None], httpx.AsyncHTTPTransport] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request; raises URLNotAllowed besides what httpx's own transport raises."""
        route = await self._gate.route(request.url)
        key = (route.host, route.proxy)
        if key not in self._transports:
            self._transports[key] = httpx.AsyncHTTPTransport(verify=_tls(), proxy=route.proxy)
        transport = self._transports[key]
        if route.proxy:
            return await self._limited(await transport.handle_async_request(request))
        *others, last = route.addresses
        for address in others:
            try:
                return await self._limited(await transport.handle_async_request(_sent_to(address, route.host, request)))
            except (httpx.ConnectError, httpx.ConnectTimeout):
                continue
        return await self._limited(await transport.handle_async_request(_sent_to(last, route.host, request)))

    async def _limited(self, response: httpx.Response) -> httpx.Response:
        if not self._takes_compressed and response.headers.get("content-encoding", "identity") != "identity":
            await response.aclose()
            raise httpx.DecodingError("the answer is compressed although it was asked not to be")
        assert isinstance(response.stream, httpx.AsyncByteStream)  # noqa: S101 (what an async transport answers)
        response.stream = _LimitedStream(response.stream, self._most_bytes)
        return response

    async def aclose(self) -> None:
        """Close all connections."""
        for transport in self._transports.values():
            await transport.aclose()


class _LimitedStream(httpx.AsyncByteStream):
    def __init__(self, stream: httpx.AsyncByteStream, most_bytes: int) -> None:
        self._stream = stream
        self._most_bytes = most_bytes

    async def __aiter__(self) -> AsyncIterator[bytes]:
        taken = 0
        async for part in self._stream:
            taken += len(part)
            if taken > self._most_bytes:
                raise AnswerTooLarge(f"the answer is larger than {self._most_bytes} bytes")
            yield part

    async def aclose(self) -> None:
        await self._stream.aclose()


def _sent_to(address: str, host: str, request: httpx.Request) -> httpx.Request:
    return httpx.Request(
        request.method,
        request.url.copy_with(host=address),
        headers=request.headers,
        stream=request.stream,
        extensions={**request.extensions, "sni_hostname": host},
    )


@functools.cache
def _tls() -> ssl.SSLContext:
    """Certificates as everywhere in httpx: SSL_CERT_FILE, SSL_CERT_DIR, or its own list. They take 20 ms to read."""
    return httpx.create_ssl_context()
