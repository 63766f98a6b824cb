"""Addresses of remote services: can they be connected to at all?"""

from collections.abc import Iterator
from urllib.parse import urlsplit

from distribution.verification.findings import Finding
from distribution.verification.resolution import Resolution
from distribution.verification.services import Service, services_of
from distribution.verification.subject import Subject


def check(subject: Subject, resolution: Resolution) -> Iterator[Finding]:
    """Find hosts that cannot be the name of a machine, and ports that there are not."""
    for service in services_of(subject, resolution):
        if problem := address_problem(service):
            path = (*service.path[:-1], "port") if service.address and "port" in problem else service.path
            yield subject.finding(
                "invalid-value",
                path,
                f"{service.name} cannot be connected to at {service.where}: {problem}.",
                "Correct the address.",
            )


def address_problem(service: Service) -> str | None:
    """Say why an address can be none; None if it may be one."""
    if service.url:
        try:
            parts = urlsplit(service.url)
            host, port = parts.hostname or "", parts.port
        except ValueError as error:
            return f"it is no URL ({str(error).rstrip('.').lower()})"
    else:
        host, port = service.address or ("", None)
    if not host or any(character.isspace() or not character.isprintable() for character in host):
        return f"`{host}` is no name of a host"
    try:
        host.encode("idna")
    except UnicodeError:
        return f"`{host}` is no name of a host: a part between dots is empty or longer than 63 characters"
    if port is not None and not 0 < port < 65536:
        return f"{port} is no port, 1 to 65535"
    return None
