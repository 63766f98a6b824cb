"""What a field of a provider's config stands for, said where the field is; verification of a run config reads it.

    storage_dir: Annotated[str, WrittenDirectory()]

Of the provider as a whole its config class says, as a ClassVar that is True: `ONE_PROCESS_STATE`, it keeps state that a
second process cannot see; `LISTS_EMBEDDINGS_AS_CHAT`, it lists a server's models and cannot tell which make embeddings.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class WrittenDirectory:
    """The provider writes to this directory, and makes it if need be."""


@dataclass(frozen=True)
class WrittenFile:
    """The provider writes to this file."""


@dataclass(frozen=True)
class ServiceUrl:
    """The provider connects to this address."""


@dataclass(frozen=True)
class NeededToStart:
    """The provider does not start with the default of this field."""
