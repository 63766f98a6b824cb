"""What another user gets of what is not theirs: what anybody gets of what is not there."""

import httpx

from tests.security.conftest import Served

OTHERS = ("rita", "bob", "mallory", "quentin")
"""Of alice's: one of her team, one of another, one without attributes, one with attributes that are meant to harm."""


def is_absent_for(
    served: Served, user: str, method: str, path: str, there: str, absent: str, **request: object
) -> None:
    """Assert that a user is answered alike for `there` and for `absent`, which `{id}` in path and JSON stands for."""
    answers = []
    for identifier in (there, absent):
        json = request.get("json")
        with served.http_as(user) as http:
            answers.append(
                http.request(
                    method, path.replace("{id}", identifier), json=None if json is None else _named(json, identifier)
                )
            )
    got, of_nothing = answers
    assert got.status_code == of_nothing.status_code, (user, method, path, got.text)
    assert got.status_code in (400, 404), (user, method, path, got.text)
    assert got.text.replace(there, absent) == of_nothing.text, (user, method, path)


def get(served: Served, user: str, path: str) -> httpx.Response:
    """What a user gets."""
    with served.http_as(user) as http:
        return http.get(path)


def _named(value: object, identifier: str) -> object:
    if isinstance(value, str):
        return value.replace("{id}", identifier)
    if isinstance(value, list):
        return [_named(one, identifier) for one in value]
    if isinstance(value, dict):
        return {_named(key, identifier): _named(one, identifier) for key, one in value.items()}
    return value
