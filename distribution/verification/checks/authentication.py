"""Who gets in: authentication that is half switched on, cannot work, or checks less than it could."""

import ipaddress
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from distribution.upstream.server_settings import EVERYWHERE
from distribution.verification.checks.server import unreadable
from distribution.verification.findings import Finding, KeyPath, Severity
from distribution.verification.resolution import Resolution
from distribution.verification.subject import Subject
from providers.authentication.config import OwnAuthProviderType, is_off
from providers.authentication.tokens_file import BadTokensFile, parse

AUTH: KeyPath = ("server", "auth")
PROVIDER: KeyPath = (*AUTH, "provider_config")
TYPE: KeyPath = (*PROVIDER, "type")
ADDRESSES: tuple[KeyPath, ...] = (
    (*PROVIDER, "endpoint"),
    (*PROVIDER, "github_api_base_url"),
    (*PROVIDER, "jwks", "uri"),
    (*PROVIDER, "introspection", "url"),
)


def check(subject: Subject, _: Resolution) -> Iterator[Finding]:
    """Find authentication that lets in too many or nobody, and say where there is none."""
    yield from _addresses(subject)
    yield from _certificate(subject)
    yield from _without_a_type(subject)
    if subject.expansion.is_unknown(TYPE):
        return
    if subject.mapping(*PROVIDER) and not is_off(subject.get(*PROVIDER)):
        yield from _tokens_file(subject)
        yield from _unchecked(subject)
    else:
        yield from _half_set(subject)
        yield from _open(subject)


def _addresses(subject: Subject) -> Iterator[Finding]:
    for place in ADDRESSES:
        value = subject.get(*place)
        if isinstance(value, str) and not subject.expansion.is_unknown(place) and not _is_web_address(value):
            yield subject.finding(
                "auth",
                place,
                f"`{value}` is no http or https address, so no token could be checked.",
                "Write the whole address, with https://.",
            )


def _is_web_address(value: str) -> bool:
    try:
        parts = urlsplit(value)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.netloc)


def _certificate(subject: Subject) -> Iterator[Finding]:
    file = subject.get(*PROVIDER, "tls_cafile")
    if isinstance(file, str) and subject.target.here and (problem := unreadable(Path(file))):
        yield subject.finding(
            "auth", (*PROVIDER, "tls_cafile"), f"{file} {problem}.", "Mount the CA certificate there."
        )


def _without_a_type(subject: Subject) -> Iterator[Finding]:
    """Only a variable can mean that there is to be no authentication; somebody who writes nothing has forgotten it."""
    if is_off(subject.get(*PROVIDER)) and not subject.expansion.references.get(TYPE):
        yield subject.finding(
            "missing-field",
            TYPE,
            "`server.auth.provider_config.type` is empty.",
            "Name a type, or remove `server.auth`.",
        )
    if subject.get(*AUTH) and subject.get(*PROVIDER) is None and not subject.get(*AUTH, "route_policy"):
        yield subject.finding(
            "missing-field",
            PROVIDER,
            "`server.auth.provider_config` is missing, so that nobody would have to authenticate.",
            "Add it with a `type`, or remove `server.auth`.",
        )


def _half_set(subject: Subject) -> Iterator[Finding]:
    environment = subject.target.environment or {}
    switches = _or(dict.fromkeys(one.name for one in subject.expansion.references.get(TYPE, [])))
    if not switches:
        return
    for path, references in subject.expansion.references.items():
        names = [one.name for one in references if environment.get(one.name)]
        if names and path[: len(PROVIDER)] == PROVIDER and path != TYPE:
            yield subject.finding(
                "auth",
                path,
                f"{_or(names)} is set and nobody would have to authenticate, since the type comes out empty.",
                f"Set {switches}, or unset {_or(names)}.",
            )


def _tokens_file(subject: Subject) -> Iterator[Finding]:
    path = (*PROVIDER, "file")
    file = subject.get(*path)
    if subject.get(*TYPE) != OwnAuthProviderType.STATIC_TOKEN or not (file and isinstance(file, str)):
        return
    if not subject.target.here:
        return
    problem = unreadable(Path(file))
    if problem is None:
        try:
            parse(Path(file).read_bytes())
        except BadTokensFile as error:
            problem = f"cannot be used: {error}"
    if problem:
        yield subject.finding(
            "auth",
            path,
            f"{file} {problem}.",
            'It is a file of lines TOKEN or TOKEN,USER,UID,"GROUP,GROUP", each token of 16 characters or more.',
        )


def _unchecked(subject: Subject) -> Iterator[Finding]:
    if subject.get(*PROVIDER, "verify_tls") is False:
        yield subject.finding(
            "auth-unchecked",
            (*PROVIDER, "verify_tls"),
            "Whoever is on the way to the service that validates tokens can say that any token is right.",
            "Name the CA's certificate in `tls_cafile` instead.",
        )
    uri = subject.get(*PROVIDER, "jwks", "uri")
    if not isinstance(uri, str) or not _is_web_address(uri):
        return
    issuer = (*PROVIDER, "issuer")
    if not subject.get(*issuer) and not subject.expansion.is_unknown(issuer):
        yield subject.finding(
            "auth-unchecked",
            issuer if "issuer" in subject.mapping(*PROVIDER) else PROVIDER,
            "No issuer is named, so that tokens of any are taken that these keys have signed.",
            f"Set {_variables(subject, issuer) or '`issuer`'} to what tokens have as `iss`.",
        )
    if urlsplit(uri).scheme == "http" and not _is_loopback(urlsplit(uri).hostname or ""):
        yield subject.finding(
            "auth-unchecked",
            (*PROVIDER, "jwks", "uri"),
            "The issuer's keys come without TLS: whoever is on the way can put his own in their place.",
            "Write https://, with the CA's certificate in `tls_cafile` if no public CA has signed it.",
        )


def _open(subject: Subject) -> Iterator[Finding]:
    address = subject.target.address
    host = address.host if address else subject.get("server", "host") or EVERYWHERE
    if not isinstance(host, str) or subject.expansion.is_unknown(("server", "host")) or _is_loopback(host):
        return
    switches = _variables(subject, TYPE)
    yield subject.finding(
        "open-server",
        AUTH if subject.get(*AUTH) else ("server",),
        f"Nobody has to authenticate, and the server listens on {host}.",
        f"Set {switches} where not everybody who reaches the port may use it."
        if switches
        else "Add `server.auth` where not everybody who reaches the port may use it.",
        # Of interest where it is about to be so, and not in a file that is for anywhere.
        severity=Severity.WARNING if address else None,
    )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def _variables(subject: Subject, path: KeyPath) -> str:
    return _or(one.name for one in subject.expansion.references.get(path, []))


def _or(names: Any) -> str:
    return " or ".join(dict.fromkeys(names))
