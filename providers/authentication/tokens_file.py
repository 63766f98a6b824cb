"""The file of tokens, in the format of Kubernetes' static token file.

    # somebody without a name, for whom a token is enough
    3vN9oYwJ4l2kP0sZ
    kq8Vd1xQm5Tz7Rb2,alice
    Lw6Hs9Jc3Np1Gf4X,bob,,"red,blue"

A line is TOKEN, USER, UID (which nobody reads) and GROUPS; all but the token may be left out.
"""

import csv
import hashlib
import re
from dataclasses import dataclass

NOBODY_IN_PARTICULAR = "default"
"""Whose tokens those without a name are. They share what they own, so that one can take the place of another."""
SHORTEST = 16
"""Characters; a shorter token can be guessed."""
LARGEST_FILE = 1 << 20
"""Bytes; the file is read while a request waits."""
SENDABLE = re.compile(r"[\x21-\x7e]+")
"""What a client can send in a header."""


class BadTokensFile(Exception):
    """The file holds something that is no token. What it says has no token in it."""


@dataclass(frozen=True)
class TokenUser:
    """Whose a token is."""

    name: str
    groups: tuple[str, ...] = ()


def digest(token: str) -> bytes:
    """Return what a token is known by; from the time that a comparison takes nobody learns anything of the token."""
    return hashlib.sha256(token.encode()).digest()


def parse(content: bytes) -> dict[bytes, TokenUser]:
    """Return the users by the digests of their tokens. Raises BadTokensFile."""
    if len(content) > LARGEST_FILE:
        raise BadTokensFile(f"it has more than {LARGEST_FILE >> 20} MiB")
    try:
        lines = content.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise BadTokensFile("it is not UTF-8 text") from error
    users: dict[bytes, TokenUser] = {}
    for number, line in enumerate(lines, start=1):
        if line.strip() and not line.lstrip().startswith("#"):
            token, user = _parsed(number, line)
            if digest(token) in users:
                raise BadTokensFile(f"line {number} repeats the token of an earlier line")
            users[digest(token)] = user
    if not users:
        raise BadTokensFile("it has no token in it")
    return users


def _parsed(number: int, line: str) -> tuple[str, TokenUser]:
    try:
        fields = [field.strip() for field in next(csv.reader([line], strict=True, skipinitialspace=True))]
    except csv.Error as error:
        raise BadTokensFile(f"line {number} is not TOKEN,USER,UID,GROUPS: {error}") from error
    if len(fields) > 4:
        raise BadTokensFile(f'line {number} has more than TOKEN,USER,UID,GROUPS; several groups are one field, "a,b"')
    token, name, _, groups = [*fields, "", "", ""][:4]
    if len(token) < SHORTEST:
        raise BadTokensFile(f"line {number} has a token of {len(token)} characters, and it takes {SHORTEST}")
    if not SENDABLE.fullmatch(token):
        raise BadTokensFile(f"line {number} has a token with characters in it that cannot be sent in a header")
    if any(not character.isprintable() for character in name + groups):
        raise BadTokensFile(f"line {number} has a name with characters in it that cannot be printed")
    given = (group.strip() for group in groups.split(","))
    return token, TokenUser(name or NOBODY_IN_PARTICULAR, tuple(dict.fromkeys(filter(None, given))))
