"""Which provider a model is of, for those who may use it, and where its service is."""

import ssl
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from distribution.lane.backend import Backend, Patience
from distribution.lane.failures import Refusal
from providers.inference.destination import Destination, tls_context

MOST_KEYS = 1000
"""How many API keys of users' own a provider's destinations are kept for."""


class Service:
    """A destination as the lane sends to it: the heads of its requests, and its connections."""

    def __init__(self, provider_id: str, destination: Destination, backend: Backend) -> None:
        """Raises Refusal for a header that would be more than one."""
        words = [word for header in destination.headers for word in header]
        if not all(word.isascii() and word.isprintable() for word in words):
            raise Refusal(
                400,
                f"The API key for {destination.name} has characters that no header may have, such as a line end. "
                "Correct it where it comes from: the header X-LlamaStack-Provider-Data, or the run config.",
            )
        parts = urlsplit(destination.url)
        self.provider_id = provider_id
        self.destination = destination
        self.backend = backend
        self.place = f"{destination.name} at {parts.scheme}://{parts.netloc}{parts.path}"
        self._path = parts.path.rstrip("/")
        self._headers = "".join(f"{name}: {value}\r\n" for name, value in destination.headers)
        self._host = parts.netloc
        self._heads: dict[tuple[str, bool], bytes] = {}

    def request(self, path: str, body: bytes, *, stream: bool) -> bytes:
        """Return a whole request to a path behind the destination's URL."""
        head = self._heads.get((path, stream)) or self._head(path, stream)
        return b"%s%d\r\n\r\n%s" % (head, len(body), body)

    def _head(self, path: str, stream: bool) -> bytes:
        accepted = "text/event-stream" if stream else "application/json"
        head = self._heads[path, stream] = (
            f"POST {self._path}{path} HTTP/1.1\r\nhost: {self._host}\r\n{self._headers}accept: {accepted}\r\n"
            "user-agent: llama-stack\r\ncontent-type: application/json\r\ncontent-length: "
        ).encode("latin-1")
        return head


class Services:
    """The services of all providers that the lane knows; it belongs to one event loop."""

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self._known: dict[tuple[str, str | None], Service | None] = {}
        self._backends: dict[tuple[str, ssl.SSLContext | None], Backend] = {}

    def of(self, provider: Any, model: str) -> Service | None:
        """Return the service of a provider, or None for one that does more than pass requests on.

        Raises what the provider raises that has no API key for this request, or may not be asked for the model.
        """
        if not _passes_on(provider):
            return None
        provider._validate_model_allowed(model)
        key = provider._get_api_key_from_config_or_provider_data()
        name = provider.__provider_id__
        if (name, key) not in self._known:
            if len(self._known) >= MOST_KEYS:
                self._known.clear()
            self._known[name, key] = self._service(name, _destination(provider))
        return self._known[name, key]

    def _service(self, provider_id: str, destination: Destination) -> Service | None:
        place = urlsplit(destination.url)
        # OpenAI's client knows how to ask a proxy, and what to make of a name and a password in a URL.
        if _has_proxy(destination.url) or place.username is not None:
            return None
        return Service(provider_id, destination, self._backend(destination))

    def close(self) -> None:
        """Close all connections."""
        for backend in self._backends.values():
            backend.close()

    def _backend(self, destination: Destination) -> Backend:
        place = urlsplit(destination.url)
        # One may trust what another does not.
        key = (f"{destination.name} {place.scheme}://{place.netloc}", destination.tls)
        if key not in self._backends:
            self._backends[key] = Backend(destination.url, destination.tls, self._patience)
        return self._backends[key]


def _passes_on(provider: Any) -> bool:
    """Whether a provider sends what it gets to a service that speaks OpenAI's protocol, and hands its answer back."""
    from llama_stack.providers.utils.inference.openai_mixin import OpenAIMixin

    if hasattr(provider, "destination"):
        return True
    kind = type(provider)
    own = ("openai_chat_completion", "openai_completion", "openai_embeddings", "client", "get_extra_client_params")
    return (
        isinstance(provider, OpenAIMixin)
        and kind.__module__.startswith("llama_stack.")  # nobody knows what those of other packages do
        and all(getattr(kind, name) is getattr(OpenAIMixin, name) for name in own)
        and not provider.overwrite_completion_id
        and not provider.download_images
    )


def _destination(provider: Any) -> Destination:
    if hasattr(provider, "destination"):
        described: Destination = provider.destination()
        return described
    client = provider.client
    headers = {**client.auth_headers, "OpenAI-Organization": client.organization, "OpenAI-Project": client.project}
    url = str(client.base_url).rstrip("/")
    given = tuple((name.lower(), value) for name, value in headers.items() if value)
    return Destination(provider.__provider_spec__.provider_type, url, given, tls_context(url))


def _has_proxy(url: str) -> bool:
    """Whether requests to a service go by a proxy."""
    parts = urlsplit(url)
    proxies = getproxies()
    return bool((proxies.get(parts.scheme) or proxies.get("all")) and not proxy_bypass(parts.netloc))
