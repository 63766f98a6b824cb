"""Who a token's owner is: a principal, and attributes that access policies ask for."""

from collections.abc import Mapping
from typing import Any

from llama_stack.core.datatypes import User

from providers.authentication.errors import NotAuthenticated

ONE_NAME = ("sub", "username", "login")
"""Claims that are one name, whatever spaces it has: nobody called `alice admin` is an admin."""


def user(principal: Any, claims: Mapping[str, Any], mapping: Mapping[str, str]) -> User:
    """Make the user of what a token says. Raises NotAuthenticated where it names nobody."""
    if not (isinstance(principal, str) and principal):
        raise NotAuthenticated("it names no user")
    return User(principal=principal, attributes=attributes(claims, mapping))


def attributes(claims: Mapping[str, Any], mapping: Mapping[str, str]) -> dict[str, list[str]]:
    """Return the attributes that a mapping of claims gives, each value once.

    A claim is a name, or a path such as `resource_access.llama-stack.roles`. A text is several values between spaces,
    as `scope` is; of a list counts what is text or a number.
    """
    found: dict[str, dict[str, None]] = {}
    for claim, attribute in mapping.items():
        value = _claim(claims, claim)
        if isinstance(value, str):
            value = [value] if claim in ONE_NAME else value.split()
        if isinstance(value, list):
            texts = [str(one) for one in value if isinstance(one, str | int)]
            found.setdefault(attribute, {}).update(dict.fromkeys(texts))
    return {attribute: list(values) for attribute, values in found.items()}


def _claim(claims: Mapping[str, Any], path: str) -> Any:
    value: Any = claims
    for step in path.split("."):
        if not (isinstance(value, Mapping) and step in value):
            return claims.get(path)  # the name itself may have dots in it
        value = value[step]
    return value
