"""Do the remote services that the config names answer?"""

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from distribution.verification.checks.storage import is_used
from distribution.verification.findings import Finding, KeyPath, Severity
from distribution.verification.resolution import Resolution, Resolved
from distribution.verification.subject import Subject

SECONDS = 3.0


@dataclass(frozen=True)
class Service:
    """A remote service: a URL, or a host and port; `verify` is what the provider says of its certificate."""

    name: str
    path: KeyPath
    url: str | None = None
    address: tuple[str, int] | None = None
    verify: bool | str = True


def check(subject: Subject, resolution: Resolution, *, required: bool) -> Iterator[Finding]:
    """Connect to every remote service at once, 3 seconds each, and find those that do not answer."""
    services = [*_provider_services(resolution.working), *_backend_services(subject)]
    services = [service for service in services if not subject.expansion.is_unknown(service.path)]
    with ThreadPoolExecutor(max_workers=16) as pool:
        for service, problem in zip(services, pool.map(_problem, services), strict=True):
            if problem:
                where = service.url or ":".join(map(str, service.address or ()))
                yield subject.finding(
                    "unreachable",
                    service.path,
                    f"{service.name} does not answer at {where}: {problem}.",
                    "Is it running, is the address right, does a network policy or proxy stand between?",
                    severity=Severity.ERROR if required else None,
                )


def _provider_services(resolved: list[Resolved]) -> Iterator[Service]:
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


def _backend_services(subject: Subject) -> Iterator[Service]:

    defaults = {"kv_redis": 6379, "kv_postgres": 5432, "sql_postgres": 5432, "kv_mongodb": 27017}
    for name, backend in subject.mapping("storage", "backends").items():
        if isinstance(backend, dict) and backend.get("type") in defaults and is_used(subject, str(name)):
            fields = {"host": "localhost", "port": defaults[str(backend["type"])], **backend}
            path = ("storage", "backends", str(name))
            yield from _by_host(f"The storage backend {name}", path, fields)


def _by_host(name: str, path: KeyPath, fields: dict[str, Any]) -> Iterator[Service]:
    host, port = fields.get("host"), fields.get("port")
    if isinstance(host, str) and host and str(port).isdigit():
        yield Service(name, (*path, "host"), address=(host, int(str(port))))


def _problem(service: Service) -> str | None:
    try:
        if service.url:
            return _http_problem(service.url, service.verify)
        if service.address:
            socket.create_connection(service.address, timeout=SECONDS).close()
    except TimeoutError:
        return f"no answer within {SECONDS:g} seconds"
    except OSError as error:
        return (error.strerror or str(error)).lower()
    return None


def _http_problem(url: str, verify: bool | str) -> str | None:
    import httpx

    try:
        # Through the proxy that the environment names, as the provider's own client would.
        httpx.get(url, timeout=SECONDS, verify=verify)
    except httpx.TimeoutException:
        return f"no answer within {SECONDS:g} seconds"
    except httpx.ConnectError as error:
        return str(error).lower()
    except (httpx.HTTPError, httpx.InvalidURL):
        # Something answered, if not in HTTP: Milvus, for one, speaks gRPC.
        return None
    return None
