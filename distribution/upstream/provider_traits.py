"""What verification must know of a provider's config besides its fields and their types.

Our own config classes say it themselves, by the annotations of `providers.config_traits`. For upstream's and other
people's, one table and the usual names of fields stand in.
"""

from dataclasses import dataclass, replace
from typing import Any

from providers.config_traits import NeededToStart, ServiceUrl, WrittenDirectory, WrittenFile


@dataclass(frozen=True)
class ProviderTraits:
    """Names of fields by what they stand for, and how the provider behaves."""

    directories: tuple[str, ...] = ()
    """Directories it writes to."""
    files: tuple[str, ...] = ()
    """Files it writes to."""
    service_urls: tuple[str, ...] = ()
    """Addresses it connects to."""
    needed: tuple[str, ...] = ()
    """Fields that have a default with which it does not start."""
    one_process_state: bool = False
    """It keeps state that a second process cannot see."""
    lists_embeddings_as_chat: bool = False
    """It lists the models of a server, and cannot tell an embedding model from another."""
    lists_models_with_key_only: bool = False
    """It asks its service for models only with a key, and registers none that it has not seen."""


SQLITE_VEC = ProviderTraits(files=("db_path",), one_process_state=True)
UPSTREAM: dict[tuple[str, str], ProviderTraits] = {
    ("files", "inline::localfs"): ProviderTraits(directories=("storage_dir",), one_process_state=True),
    ("inference", "remote::openai"): ProviderTraits(lists_models_with_key_only=True),
    ("vector_io", "inline::faiss"): ProviderTraits(one_process_state=True),
    ("vector_io", "inline::meta-reference"): ProviderTraits(one_process_state=True),
    ("vector_io", "inline::milvus"): ProviderTraits(files=("db_path",)),
    ("vector_io", "inline::qdrant"): ProviderTraits(files=("path",)),
    ("vector_io", "inline::sqlite-vec"): SQLITE_VEC,
    ("vector_io", "inline::sqlite_vec"): SQLITE_VEC,
    ("vector_io", "remote::pgvector"): ProviderTraits(needed=("persistence",)),
}
"""API and provider type -> what upstream's config class does not say."""

USUAL_URL_FIELDS = ("url", "base_url", "uri", "endpoint_url", "orchestrator_url")


def traits_of(api: str, provider_type: str, config_class: type[Any] | None) -> ProviderTraits:
    """Return the traits of a provider type; without a config class only what the table says."""
    known = UPSTREAM.get((api, provider_type), ProviderTraits())
    fields = getattr(config_class, "model_fields", {})
    return replace(
        known,
        directories=(*known.directories, *_annotated(fields, WrittenDirectory)),
        files=(*known.files, *_annotated(fields, WrittenFile)),
        service_urls=tuple(dict.fromkeys([*USUAL_URL_FIELDS, *_annotated(fields, ServiceUrl)])),
        needed=(*known.needed, *_annotated(fields, NeededToStart)),
        one_process_state=known.one_process_state or getattr(config_class, "ONE_PROCESS_STATE", False),
        lists_embeddings_as_chat=getattr(config_class, "LISTS_EMBEDDINGS_AS_CHAT", False),
    )


def _annotated(fields: dict[str, Any], trait: type[Any]) -> list[str]:
    return [name for name, field in fields.items() if any(isinstance(one, trait) for one in field.metadata)]
