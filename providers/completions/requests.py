"""What a request says about its own storage: `store` and `metadata`, as OpenAI's API has them."""

from collections.abc import Mapping
from typing import Any

MOST_PAIRS, LONGEST_NAME, LONGEST_VALUE = 16, 64, 512


def wants_to_be_stored(store: Any, by_default: bool) -> bool:
    """Whether `store` of a request says so, None being nothing said; raises ValueError for what is no boolean."""
    if store is None:
        return by_default
    if not isinstance(store, bool):
        raise ValueError("`store` has to be true or false")
    return store


def checked_metadata(metadata: Any) -> dict[str, str] | None:
    """Return `metadata` of a request; raises ValueError for what it may not be."""
    if metadata is None:
        return None
    if not isinstance(metadata, Mapping) or len(metadata) > MOST_PAIRS:
        raise ValueError(f"`metadata` has to be an object with up to {MOST_PAIRS} pairs")
    for name, value in metadata.items():
        if len(name) > LONGEST_NAME:
            raise ValueError(f"a name in `metadata` has {len(name)} characters, more than {LONGEST_NAME}")
        if not isinstance(value, str):
            raise ValueError(f"`{name}` in `metadata` has to be a text")
        if len(value) > LONGEST_VALUE:
            raise ValueError(f"`{name}` in `metadata` has {len(value)} characters, more than {LONGEST_VALUE}")
    return dict(metadata)
