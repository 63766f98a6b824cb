"""Do the remote services that the config names answer?"""

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from distribution.verification.checks.addresses import address_problem
from distribution.verification.findings import Finding, Severity
from distribution.verification.resolution import Resolution
from distribution.verification.services import Service, services_of
from distribution.verification.subject import Subject

SECONDS = 3.0


def check(subject: Subject, resolution: Resolution, *, required: bool) -> Iterator[Finding]:
    """Connect to every remote service at once, 3 seconds each, and find those that do not answer."""
    services = [service for service in services_of(subject, resolution) if not address_problem(service)]
    with ThreadPoolExecutor(max_workers=16) as pool:
        for service, problem in zip(services, pool.map(_problem, services), strict=True):
            if problem:
                yield subject.finding(
                    "unreachable",
                    service.path,
                    f"{service.name} does not answer at {service.where}: {problem}.",
                    "Is it running, is the address right, does a network policy or proxy stand between?",
                    severity=Severity.ERROR if required else None,
                )


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
