"""The public keys of an issuer of tokens, fetched when they are needed and kept for a while."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jwt
from llama_stack.log import get_logger

from providers.authentication.errors import AuthenticationUnavailable, NotAuthenticated
from providers.authentication.web import Service

log = get_logger(name=__name__, category="core::auth")

SECONDS_BETWEEN_TRIES = 5.0
"""However many tokens name keys that nobody knows, or come while the issuer is down."""

ALGORITHMS = {
    "RSA": ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    "EC": ("ES256", "ES384", "ES512"),
    "OKP": ("EdDSA",),
}
"""Signatures that only the owner of a private key can make, by the type of the key."""


@dataclass(frozen=True)
class Key:
    """A public key, and what may be signed with it."""

    key_id: str | None
    public_key: Any
    algorithms: tuple[str, ...]


class KeySet:
    """What an issuer publishes at its JWKS address."""

    def __init__(self, service: Service, url: str, headers: Mapping[str, str], seconds_to_keep: float) -> None:
        self._service, self._url, self._headers = service, url, dict(headers)
        self._seconds_to_keep = seconds_to_keep
        self._keys: list[Key] = []
        self._fetched = self._tried = float("-inf")
        self._problem = ""
        self._one_at_a_time = asyncio.Lock()

    async def find(self, key_id: str | None) -> Key:
        """Return the key that a token names; a token may name none where there is only one.

        Raises NotAuthenticated, or AuthenticationUnavailable where the keys cannot be had.
        """
        if self._are_fresh and (key := self._named(key_id)):
            return key  # without waiting for what others have fetched
        async with self._one_at_a_time:
            if not self._are_fresh:
                await self._fetch()
            if not (key := self._named(key_id)):
                await self._fetch()  # the issuer may have a new one
                key = self._named(key_id)
        if not key and self._problem:
            raise AuthenticationUnavailable(self._problem)
        if not key:
            raise NotAuthenticated("the issuer has no such key")
        return key

    @property
    def _are_fresh(self) -> bool:
        return time.monotonic() - self._fetched <= self._seconds_to_keep

    def _named(self, key_id: str | None) -> Key | None:
        if key_id is None:
            return self._keys[0] if len(self._keys) == 1 else None
        return next((key for key in self._keys if key.key_id == key_id), None)

    async def _fetch(self) -> None:
        """Fetch the keys, unless that was tried a moment ago. Where it fails, those there are serve twice as long."""
        now = time.monotonic()
        if now - self._tried < SECONDS_BETWEEN_TRIES:
            return
        self._tried = now
        try:
            response = await self._service.request("GET", self._url, headers=self._headers, follow_redirects=True)
            if not response.is_success:
                raise self._service.misbehaves(response)
            self._keys = keys_of(self._service.json(response))
        except AuthenticationUnavailable as error:
            self._problem = str(error)
            log.warning("the keys of %s could not be fetched: %s", self._url, error)
            if now - self._fetched > 2 * self._seconds_to_keep:
                self._keys = []
        else:
            self._fetched, self._problem = now, ""


def keys_of(document: Any) -> list[Key]:
    """Return the keys in a JWKS that may sign tokens. Raises AuthenticationUnavailable where it is none."""
    entries = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(entries, list):
        raise AuthenticationUnavailable("what is published there is no set of keys")
    return [key for entry in entries if isinstance(entry, dict) and (key := _key(entry))]


def _key(entry: dict[str, Any]) -> Key | None:
    possible = ALGORITHMS.get(str(entry.get("kty")), ())
    named = entry.get("alg")
    if entry.get("use", "sig") != "sig" or (named and named not in possible):
        return None
    try:
        key = jwt.PyJWK.from_dict(entry)
    except jwt.PyJWTError:
        return None  # for something that this server does not know
    one = named or key.algorithm_name
    algorithms = possible if entry["kty"] == "RSA" and not named else (one,)
    if one not in possible:
        return None
    return Key(key.key_id, key.key, algorithms)
