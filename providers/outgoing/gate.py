"""The decision: may a request lead this server to that URL, and to which addresses does it go then?"""

import asyncio
import os
import re
import socket
import urllib.request
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import Enum

import httpx

from providers.outgoing.addresses import NEVER, Address, Place, literal, place, place_of_name
from providers.outgoing.errors import URLNotAllowed
from providers.outgoing.rules import VARIABLE, Rules

Resolve = Callable[[str, int], Awaitable[list[str]]]
"""Name and port -> the addresses to try, in order; raises OSError when there are none."""

SCHEMES = ("http", "https")
HOST_NAME = re.compile(r"[a-z0-9._-]+")
AMBIGUOUS = re.compile(r"[\x00-\x20\x7f\\]")
"""Characters that no URL has, and that one reader drops and another ends the host at."""


class Purpose(Enum):
    """What a URL of a request is fetched for; the value says what is not done where it may not lead."""

    CONTENT = "content for a request is not fetched from there"
    """An image, a file, a document, a dataset: from public addresses."""
    TOOL = "a request calls no tools there"
    """A tool's server, as of MCP: from private networks too, since they live in the cluster."""
    MODEL = "a request sends no model there"
    """An image that a model's server fetches by itself, which lives in the cluster as well."""


@dataclass(frozen=True)
class Route:
    """The way to a URL that may be fetched: through a proxy, or to one of these addresses."""

    host: str
    addresses: list[str]
    proxy: str | None = None


async def system_resolve(host: str, port: int) -> list[str]:
    """Ask the system's resolver."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def system_proxy(url: httpx.URL) -> str | None:
    """Return the proxy that the environment names for a URL: HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, NO_PROXY."""
    proxies = urllib.request.getproxies()
    proxy = proxies.get(url.scheme) or proxies.get("all")
    return None if proxy is None or urllib.request.proxy_bypass(url.host) else proxy


@dataclass(frozen=True)
class Gate:
    """Decides for one purpose, by the operator's rules."""

    purpose: Purpose
    rules: Rules = field(default_factory=lambda: Rules.from_environment(os.environ))
    resolve: Resolve = system_resolve
    proxy: Callable[[httpx.URL], str | None] = system_proxy

    async def route(self, url: httpx.URL) -> Route:
        """Return how to get to a URL; raises URLNotAllowed, and httpx.ConnectError for a name without addresses.

        Where a proxy resolves the name, nobody here knows its addresses: then the name alone decides.
        """
        host, address = _host(url)
        proxy = self.proxy(url)
        if proxy or address or place_of_name(host) is Place.METADATA:
            self.check_what_it_says(url)
        if proxy:
            return Route(host, [], proxy)
        if address:
            return Route(host, [str(address)])
        try:
            addresses = await self.resolve(host, url.port or (443 if url.scheme == "https" else 80))
        except (OSError, UnicodeError) as error:
            raise httpx.ConnectError(f"{host} cannot be resolved") from error
        for one in addresses:
            resolved = literal(one)
            if resolved is None:
                raise httpx.ConnectError(f"{host} resolves to something that is no address")
            self._decide(host, host, resolved, place(resolved))
        return Route(host, addresses)

    def check_what_it_says(self, url: httpx.URL) -> None:
        """Decide on the URL alone, for where somebody else resolves its name; raises URLNotAllowed."""
        host, address = _host(url)
        if address:
            self._decide(host, None, address, place(address))
        else:
            self._decide(host, host, None, place_of_name(host))

    async def check(self, url: str) -> None:
        """Raise URLNotAllowed for a URL that may not be fetched, ValueError for what is none.

        A name that does not resolve passes: whoever fetches it will say so.
        """
        try:
            await self.route(parsed(url))
        except httpx.ConnectError:
            return

    def _decide(self, host: str, name: str | None, address: Address | None, kind: Place) -> None:
        if kind in NEVER:
            raise URLNotAllowed(f"The host `{host}` is {kind.value}: no setting ({VARIABLE}) can allow it")
        entry = self.rules.entry_for(name, address)
        if entry is not None and not entry.allows:
            raise URLNotAllowed(f"The host `{host}` is refused by this server's setting {VARIABLE}")
        allowed = entry is not None and (kind is not Place.LOOPBACK or entry.names_loopback)
        private = kind is Place.PRIVATE and self.purpose is not Purpose.CONTENT
        if not (allowed or private or kind is Place.PUBLIC):
            raise URLNotAllowed(
                f"The host `{host}` is {kind.value}: {self.purpose.value}, unless the operator of this server allows "
                f"it with {VARIABLE}"
            )


def _host(url: httpx.URL) -> tuple[str, Address | None]:
    """Return the host that a URL names, and its address where that is what it names."""
    if url.scheme not in SCHEMES:
        other = f"not by `{url.scheme}`" if url.scheme else "and this one names neither"
        raise URLNotAllowed(f"URLs of requests are fetched by http and https only, {other}")
    host = url.raw_host.decode().lower().rstrip(".")
    address = literal(host)
    if address is None and not HOST_NAME.fullmatch(host):  # somebody might read something else out of it
        raise ValueError("The URL names no host")
    return host, address


def parsed(url: str) -> httpx.URL:
    """Read a URL as it is going to be fetched; raises ValueError for what is none, or is read in two ways."""
    if AMBIGUOUS.search(url):
        raise ValueError("The URL cannot be read: it has a space, a backslash or a control character")
    try:
        return httpx.URL(url)
    except httpx.InvalidURL as error:
        raise ValueError(f"The URL cannot be read: {error}") from error


async def check(url: str, purpose: Purpose) -> None:
    """Say beforehand what a fetch of `url` would refuse; raises URLNotAllowed or ValueError."""
    await Gate(purpose).check(url)
