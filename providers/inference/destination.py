"""Where a provider's service speaks OpenAI's protocol, for whoever sends requests there without the provider."""

import ssl
from dataclasses import dataclass


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
