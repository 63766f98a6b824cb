"""HTTP clients that outlive a request."""

import asyncio
import ssl
from weakref import WeakKeyDictionary

from openai import AsyncOpenAI, DefaultAsyncHttpxClient

from providers.inference.destination import tls_context


class Clients:
    """One client for each event loop that asks for one, since its connections belong to that loop."""

    def __init__(self, base_url: str, api_key: str, tls_verify: bool | str) -> None:
        self._base_url = base_url
        self._api_key = api_key
        self._verify = ssl.create_default_context(cafile=tls_verify) if isinstance(tls_verify, str) else tls_verify
        self.trust = tls_context(base_url, self._verify)
        """How vLLM is trusted where it is behind https."""
        self._by_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, AsyncOpenAI] = WeakKeyDictionary()

    def new(self) -> AsyncOpenAI:
        """Return a client that the caller closes."""
        return AsyncOpenAI(
            base_url=self._base_url,
            api_key=self._api_key,
            http_client=DefaultAsyncHttpxClient(verify=self._verify),
        )

    def shared(self, api_key: str) -> AsyncOpenAI:
        """Return the running loop's client, sending ``api_key``. The caller must not close it."""
        loop = asyncio.get_running_loop()
        if (client := self._by_loop.get(loop)) is None:
            client = self._by_loop[loop] = self.new()
        return client if client.api_key == api_key else client.with_options(api_key=api_key)

    async def close(self) -> None:
        """Close the running loop's client."""
        if (client := self._by_loop.pop(asyncio.get_running_loop(), None)) is not None:
            await client.close()
