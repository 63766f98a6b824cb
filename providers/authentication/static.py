"""Tokens of a file (type `static_token`)."""

import time
from pathlib import Path
from typing import Any

from llama_stack.core.datatypes import User
from llama_stack.log import get_logger

from providers.authentication.config import StaticTokenAuthConfig
from providers.authentication.errors import AuthenticationUnavailable, NotAuthenticated
from providers.authentication.tokens_file import BadTokensFile, TokenUser, digest, parse

log = get_logger(name=__name__, category="core::auth")

SECONDS_UNTIL_SETTLED = 2.5
"""A file can change twice within a tick of its clock, which is up to two seconds long, and look the same after both."""


class StaticTokenAuthProvider:
    """Looks a token up in the file.

    The file is looked at for every request, and read where it has changed or did so a moment ago, so that what it says
    now is what counts. One that cannot be read lets nobody in: a token that was taken out of it would otherwise go on
    to be taken.
    """

    def __init__(self, config: StaticTokenAuthConfig) -> None:
        self._file: Path = config.file
        self._content: bytes | None = None
        self._state: tuple[int, ...] | None = None
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
            if self._state is None or self._state != _state_of(self._file):
                self._read_again()
        except (OSError, BadTokensFile) as error:
            self._content = self._state = None
            problem = error.strerror or type(error).__name__ if isinstance(error, OSError) else error
            raise AuthenticationUnavailable(f"{self._file} cannot be used: {problem}") from error
        return self._users

    def _read_again(self) -> None:
        began, state = time.time(), _state_of(self._file)
        content = self._file.read_bytes()
        if content != self._content:
            self._users = parse(content)
            log.info("%s has %d tokens", self._file, len(self._users))
            self._content = content
        # What was changed a moment before may be changed once more without looking different.
        self._state = state if began - max(state[:2]) / 1e9 > SECONDS_UNTIL_SETTLED else None


def _state_of(file: Path) -> tuple[int, ...]:
    """Return what a change of a file changes; first when its content and it itself changed, in nanoseconds."""
    found = file.stat()
    return found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino, found.st_dev
