"""Where a provider's service speaks OpenAI's protocol, for whoever sends requests there without the provider."""

import functools
import ssl
from dataclasses import dataclass

import httpx


@dataclass(frozen=True)
class Destination:
    """A service, and what its provider adds to a request."""

    name: str
    """What the service is called in messages, such as `vLLM`."""
    url: str
    """With the version, such as http://vllm:8000/v1."""
    headers: tuple[tuple[str, str], ...]
    """Those that say who asks."""
    tls: ssl.SSLContext | None
    """How a service behind https is trusted."""
    max_tokens: int = 0
    """How long an answer in a chat may be where the request does not say; 0 leaves it to the service.

    Less, where the context of the model has no room for it.
    """


def tls_context(url: str, verify: ssl.SSLContext | bool = True) -> ssl.SSLContext | None:
    """Return what OpenAI's client trusts of the service at a URL; None where that is not behind https.

    `verify` true means the certificates of certifi, or of SSL_CERT_FILE; false means whoever answers.
    """
    if isinstance(verify, ssl.SSLContext) or not url.lower().startswith("https:"):
        return verify if isinstance(verify, ssl.SSLContext) else None
    return _context(verify)


@functools.cache
def _context(verify: bool) -> ssl.SSLContext:
    return httpx.create_ssl_context(verify)  # takes tens of milliseconds: no request with a new key is to wait for it
