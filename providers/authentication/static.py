"""Tokens of a file (type `static_token`)."""

from pathlib import Path
from typing import Any

from llama_stack.core.datatypes import User
from llama_stack.log import get_logger

from providers.authentication.config import StaticTokenAuthConfig
from providers.authentication.errors import AuthenticationUnavailable, NotAuthenticated
from providers.authentication.tokens_file import BadTokensFile, TokenUser, digest, parse

log = get_logger(name=__name__, category="core::auth")


class StaticTokenAuthProvider:
    """Looks a token up in the file.

    The file is read for every request, which takes some microseconds, so that what it says now is what counts. One that
    cannot be read lets nobody in: a token that was taken out of it would otherwise go on to be taken.
    """

    def __init__(self, config: StaticTokenAuthConfig) -> None:
        self._file: Path = config.file
        self._content: bytes | None = None
        self._users: dict[bytes, TokenUser] = {}

    async def validate_token(self, token: str, scope: Any = None) -> User:
        """Return the user of a token. Raises NotAuthenticated, AuthenticationUnavailable."""
        if not (found := self._read().get(digest(token))):
            raise NotAuthenticated("it is not in the file of tokens")
        # As the default mapping of an issuer's claims has them: who moves to an issuer finds what is his.
        attributes = {"roles": [found.name]} | ({"teams": list(found.groups)} if found.groups else {})
        return User(principal=found.name, attributes=attributes)

    async def close(self) -> None:
        """Nothing is open."""

    def _read(self) -> dict[bytes, TokenUser]:
        try:
            content = self._file.read_bytes()
            if content != self._content:
                self._users = parse(content)
                log.info("%s has %d tokens", self._file, len(self._users))
                self._content = content
        except (OSError, BadTokensFile) as error:
            self._content = None
            problem = error.strerror or type(error).__name__ if isinstance(error, OSError) else error
            raise AuthenticationUnavailable(f"{self._file} cannot be used: {problem}") from error
        return self._users
