"""Requests to the services that know the tokens."""

import ssl
from pathlib import Path
from typing import Any

import httpx

from providers.authentication.errors import AuthenticationUnavailable

SECONDS_TO_ANSWER = 10.0
COME_LATER = (httpx.codes.REQUEST_TIMEOUT, httpx.codes.TOO_MANY_REQUESTS)


class Service:
    """Something on the network that is asked about tokens."""

    def __init__(self, name: str, *, verify_tls: bool = True, tls_cafile: Path | None = None) -> None:
        self._name, self._verify_tls, self._tls_cafile = name, verify_tls, tls_cafile
        self._client: httpx.AsyncClient | None = None

    async def request(self, method: str, url: str, **options: Any) -> httpx.Response:
        """Ask, with httpx's options. Raises AuthenticationUnavailable where nobody answers, or says to come later."""
        try:
            response = await self._connected().request(method, url, **options)
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise AuthenticationUnavailable(f"{self._name} does not answer: {_words(error)}") from error
        if response.is_server_error or response.status_code in COME_LATER:
            raise self.misbehaves(response)
        return response

    def misbehaves(self, response: httpx.Response) -> AuthenticationUnavailable:
        """Say that an answer is none that tells whether a token is right."""
        return AuthenticationUnavailable(f"{self._name} answers with status {response.status_code}")

    def json(self, response: httpx.Response) -> Any:
        """Return what an answer holds. Raises AuthenticationUnavailable where that is not JSON."""
        try:
            return response.json()
        except (ValueError, RecursionError) as error:
            raise AuthenticationUnavailable(f"{self._name} answers with something that is not JSON") from error

    async def close(self) -> None:
        """Close the connections."""
        if self._client:
            await self._client.aclose()
            self._client = None

    def _connected(self) -> httpx.AsyncClient:
        if self._client is None:
            timeout = httpx.Timeout(SECONDS_TO_ANSWER)
            self._client = httpx.AsyncClient(verify=self._verification(), timeout=timeout)
        return self._client

    def _verification(self) -> ssl.SSLContext | bool:
        return ssl.create_default_context(cafile=self._tls_cafile) if self._verify_tls else False


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
