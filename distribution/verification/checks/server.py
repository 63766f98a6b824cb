"""The server block: port, TLS, workers."""

import errno
import os
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from distribution.upstream import log_settings
from distribution.upstream.settings import NUMBERS
from distribution.verification.findings import Finding, KeyPath, Severity
from distribution.verification.resolution import Resolution
from distribution.verification.subject import Address, Subject


def check(subject: Subject, resolution: Resolution) -> Iterator[Finding]:
    """Find what keeps the server from listening, or its workers apart."""
    yield from _tls(subject)
    yield from _workers(subject, resolution)
    yield from _numbers(subject)
    yield from _log(subject)
    if subject.target.here and subject.target.address:
        yield from _port(subject, subject.target.address)


def _port(subject: Subject, address: Address) -> Iterator[Finding]:
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((address.host, address.port))
    except OSError as error:
        reasons = {
            errno.EADDRINUSE: (
                "another process listens there",
                "Stop it, or choose another port with --port.",
            ),
            errno.EACCES: (
                f"uid {os.getuid()} may not bind it",
                "Choose a port above 1023 and let the Service map it.",
            ),
            errno.EADDRNOTAVAIL: (
                "this machine does not have that address",
                "Correct `server.host`; 0.0.0.0 is all IPv4 addresses.",
            ),
        }
        reason, advice = reasons.get(error.errno or 0, (error.strerror or str(error), "Choose another port."))
        yield subject.finding(
            "port-unavailable",
            ("server", "port"),
            f"{address.host} port {address.port} cannot be bound: {reason}.",
            advice,
        )


def _numbers(subject: Subject) -> Iterator[Finding]:
    for number in NUMBERS:
        value = (subject.target.environment or {}).get(number.variable, "")
        if value and not number.is_one(value):
            yield subject.finding(
                "invalid-value",
                ("server",),
                f"The variable {number.variable} is `{value}`, which is no number of {number.unit}.",
                f"Set it to a whole number from {number.least} on, as in {number.default}, or leave it out.",
            )


def _log(subject: Subject) -> Iterator[Finding]:
    environment = subject.target.environment or {}
    form = environment.get(log_settings.LOG_FORMAT, "")
    if form and form.lower() not in log_settings.FORMATS:
        yield subject.finding(
            "invalid-value",
            ("server",),
            f"The variable {log_settings.LOG_FORMAT} is `{form}`, which is no form of the log.",
            f"Set it to {' or '.join(log_settings.FORMATS)}, or leave it out.",
        )
    levels, mistakes = log_settings.wished_levels(environment.get(log_settings.LOG_LEVELS, ""))
    known = log_settings.categories()
    mistakes += [f"{category}=..." for category, _ in levels if category not in known]
    if mistakes:
        yield subject.finding(
            "invalid-value",
            ("server",),
            f"The variable {log_settings.LOG_LEVELS} asks for levels that there are not: {', '.join(mistakes)}.",
            f"Write `category=level,...` with debug, info, warning or error, and of {', '.join(known)}.",
            severity=Severity.WARNING,
        )


def _tls(subject: Subject) -> Iterator[Finding]:
    server = subject.mapping("server")
    files = {name: server.get(name) for name in ("tls_keyfile", "tls_certfile", "tls_cafile")}
    given = {name: value for name, value in files.items() if isinstance(value, str) and value}
    if bool(files["tls_keyfile"]) != bool(files["tls_certfile"]):
        present, absent = sorted(("tls_keyfile", "tls_certfile"), key=lambda name: not files[name])
        if not subject.expansion.is_unknown(("server", absent)):
            yield subject.finding(
                "tls",
                ("server", present),
                f"`{present}` is given without `{absent}`; llama-stack would serve without TLS.",
                f"Give `{absent}` too, or remove both.",
            )
    if not subject.target.here:
        return
    not_read = [(name, value, problem) for name, value in given.items() if (problem := unreadable(Path(value)))]
    for name, value, problem in not_read:
        yield subject.finding(
            "tls",
            ("server", name),
            f"{value} {problem}.",
            "Mount it there, readable for this user (a Secret with `defaultMode: 0440` and fsGroup).",
        )
    if not not_read and "tls_keyfile" in given and "tls_certfile" in given:
        yield from _certificate(subject, given)


def unreadable(path: Path) -> str | None:
    """Say why a file cannot be read; None for one that can."""
    try:
        with path.open("rb"):
            return None
    except FileNotFoundError:
        return "is not there"
    except OSError as error:
        return f"cannot be read: {(error.strerror or str(error)).lower()}"


def _certificate(subject: Subject, files: dict[str, str]) -> Iterator[Finding]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        # The empty password keeps OpenSSL from asking for one on the terminal.
        context.load_cert_chain(files["tls_certfile"], files["tls_keyfile"], password="")
        if "tls_cafile" in files:
            context.load_verify_locations(files["tls_cafile"])
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or "they are no PEM files"
        yield subject.finding(
            "tls",
            ("server", "tls_certfile"),
            f"The TLS files do not fit: {str(reason).lower().replace('_', ' ')}.",
            "They have to be PEM files, the key without a password and belonging to the certificate.",
        )


def _workers(subject: Subject, resolution: Resolution) -> Iterator[Finding]:
    path: KeyPath = ("server", "workers")
    workers: Any = subject.target.workers or subject.get(*path)
    if not isinstance(workers, int) or isinstance(workers, bool) or workers < 2:
        return
    backends = subject.mapping("storage", "backends")
    reasons = [
        f"the storage backend `{name}` is SQLite"
        for name, backend in backends.items()
        if isinstance(backend, dict) and str(backend.get("type")).endswith("_sqlite")
    ]
    reasons += [
        f"{found.provider.provider_type} keeps its state to itself"
        for found in resolution.working
        if found.traits.one_process_state
    ]
    if reasons:
        yield subject.finding(
            "shared-state",
            path,
            f"{workers} workers are to share what only one can use: {'; '.join(dict.fromkeys(reasons))}.",
            "Use one worker per pod, or PostgreSQL, S3 and a vector database for state.",
        )
