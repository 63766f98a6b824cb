"""A stand-in for an API that the run config leaves out."""

from typing import Any, NoReturn

from llama_stack.apis.datatypes import Api


class MissingApi:
    """Says that the API is missing, with the first use that is made of it."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def __getattr__(self, name: str) -> NoReturn:
        raise ValueError(f"this needs the API {self._api.value}, for which the run config has no provider")


def or_missing(apis: dict[Api, Any], api: Api) -> Any:
    """Return an API's implementation, or its stand-in."""
    implementation = apis.get(api)
    return MissingApi(api) if implementation is None else implementation
