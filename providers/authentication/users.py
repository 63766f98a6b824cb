"""Who a token's owner is: a principal, and attributes that access policies ask for."""

import copy
from typing import Any

from llama_stack.core.datatypes import User
from llama_stack.core.server import auth_providers

from providers.authentication.errors import NotAuthenticated

ONE_NAME = ("sub", "username", "login")
"""Claims that are one name, whatever spaces it has: nobody called `alice admin` is an admin."""


def user(principal: Any, claims: dict[str, Any], mapping: dict[str, str]) -> User:
    """Make the user of what a token says. Raises NotAuthenticated where it names nobody."""
    if not (isinstance(principal, str) and principal):
        raise NotAuthenticated("it names no user")
    return User(principal=principal, attributes=attributes(claims, mapping))


def attributes(claims: dict[str, Any], mapping: dict[str, str]) -> dict[str, list[str]]:
    """Return the attributes that a mapping of claims gives: of lists what is text or a number, everything once."""
    claims = copy.deepcopy(claims)  # upstream adds to the lists in it
    for name in ONE_NAME:
        if isinstance(claims.get(name), str):
            claims[name] = [claims[name]]
    found = auth_providers.get_attributes_from_claims(claims, mapping)
    return {
        attribute: list(dict.fromkeys(str(value) for value in values if isinstance(value, str | int)))
        for attribute, values in found.items()
    }
