"""The remote services that a run config names: an address each, and the place where it is written."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from distribution.verification.checks.storage import is_used
from distribution.verification.findings import KeyPath
from distribution.verification.resolution import Resolution, Resolved
from distribution.verification.subject import Subject

DEFAULT_PORTS = {"kv_redis": 6379, "kv_postgres": 5432, "sql_postgres": 5432, "kv_mongodb": 27017}


@dataclass(frozen=True)
class Service:
    """A remote service: a URL, or a host and port; `verify` is what the provider says of its certificate."""

    name: str
    path: KeyPath
    url: str | None = None
    address: tuple[str, int] | None = None
    verify: bool | str = True

    @property
    def where(self) -> str:
        """The address as people write it."""
        return self.url or ":".join(map(str, self.address or ()))


def services_of(subject: Subject, resolution: Resolution) -> list[Service]:
    """Return the services of all providers that are on and of all storage backends that are used."""
    services = [*_of_providers(resolution.working), *_of_backends(subject)]
    return [service for service in services if not subject.expansion.is_unknown(service.path)]


def _of_providers(resolved: list[Resolved]) -> Iterator[Service]:
    for found in resolved:
        name = f"{found.provider.provider_id} ({found.provider.provider_type})"
        path = (*found.provider.path, "config")
        tls_verify = getattr(found.config, "tls_verify", True)
        urls = [(field, getattr(found.config, field, None)) for field in found.traits.service_urls]
        urls = [(field, url) for field, url in urls if isinstance(url, str) and url.startswith("http")]
        for field, url in urls:
            yield Service(name, (*path, field), url=str(url), verify=tls_verify)
        if not urls:
            yield from _by_host(name, path, vars(found.config) if found.config is not None else {})


def _of_backends(subject: Subject) -> Iterator[Service]:
    for name, backend in subject.mapping("storage", "backends").items():
        if isinstance(backend, dict) and backend.get("type") in DEFAULT_PORTS and is_used(subject, str(name)):
            fields = {"host": "localhost", "port": DEFAULT_PORTS[str(backend["type"])], **backend}
            yield from _by_host(f"The storage backend {name}", ("storage", "backends", str(name)), fields)


def _by_host(name: str, path: KeyPath, fields: dict[str, Any]) -> Iterator[Service]:
    host, port = fields.get("host"), fields.get("port")
    if isinstance(host, str) and host and str(port).isdigit():
        yield Service(name, (*path, "host"), address=(host, int(str(port))))
