"""What a run config says of authentication, besides upstream's own types."""

from enum import StrEnum
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, Field


class OwnAuthProviderType(StrEnum):
    """The types of authentication that are not upstream's."""

    STATIC_TOKEN = "static_token"  # noqa: S105 (the name of a type)


class StaticTokenAuthConfig(BaseModel):
    """Tokens in a file, which is read again when it changes."""

    type: Literal[OwnAuthProviderType.STATIC_TOKEN] = OwnAuthProviderType.STATIC_TOKEN
    file: Path = Field(description='a file of lines `TOKEN` or `TOKEN,USER,UID,"GROUP,GROUP"`')


def is_off(provider_config: Any) -> bool:
    """Tell whether a `provider_config` has a type that came out empty, which means no authentication."""
    return isinstance(provider_config, dict) and "type" in provider_config and provider_config["type"] in (None, "")


def without_empty_fields(value: Any) -> Any:
    """Take out what a variable left empty, so that one block of a run config can serve several types."""
    if not isinstance(value, dict):
        return value
    kept = {key: without_empty_fields(item) for key, item in value.items()}
    return {key: item for key, item in kept.items() if item not in (None, "") and (item != {} or not value[key])}
