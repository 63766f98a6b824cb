"""Names that reports and logs are made of: no secret, even where a password happens to be the same word."""

from collections.abc import Iterator

from distribution.upstream.apis import ALL_APIS, RESOURCES
from distribution.upstream.provider_registry import registry
from distribution.upstream.storage import BACKEND_TYPES
from distribution.verification.findings import CODES
from distribution.verification.masking import KnownNames
from distribution.verification.subject import Subject


def known_names(subject: Subject) -> KnownNames:
    """Return the names of APIs, provider types, backends and findings, and those that the run config gives."""
    types = {provider_type for by_type in registry().values() for provider_type in by_type}
    short = {provider_type.rpartition("::")[2] for provider_type in types}
    return KnownNames({*ALL_APIS, *RESOURCES, *types, *short, *BACKEND_TYPES, *CODES}, set(_given(subject)))


def _given(subject: Subject) -> Iterator[str]:
    yield from map(str, subject.data)
    yield from map(str, subject.mapping("storage", "backends"))
    yield from map(str, subject.mapping("storage", "stores"))
    for provider in subject.providers:
        yield from (provider.provider_id, provider.provider_type, *map(str, provider.config))
