"""Findings about what went wrong while llama-stack started."""

import errno
import re
import socket
from collections.abc import Iterator

from distribution.verification.findings import Finding, KeyPath
from distribution.verification.subject import Subject

# What clients raise when nobody answers; not all of them say so with an OSError.
UNREACHABLE_NAMES = (
    "APIConnectionError",
    "APITimeoutError",
    "ClientConnectionError",
    "ConnectError",
    "ConnectTimeout",
    "EndpointConnectionError",
    "MilvusException",
    "OperationalError",
    "PoolTimeout",
    "ReadError",
    "ReadTimeout",
)
# What llama-stack puts in front of the providers of an API, by the ids it gives them.
NOT_CONFIGURED = ("__routing_table__", "__autorouted__")
MOST_CHARACTERS = 300
UNREACHABLE_ERRNOS = (errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ETIMEDOUT)


def chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and what caused it, back to the root."""
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = current.__cause__ or current.__context__


def is_unreachable(error: BaseException) -> bool:
    """Tell whether an error only says that a remote service does not answer."""
    return any(
        isinstance(link, ConnectionError | TimeoutError | socket.gaierror)
        or (isinstance(link, OSError) and link.errno in UNREACHABLE_ERRNOS)
        or type(link).__name__ in UNREACHABLE_NAMES
        for link in chain(error)
    )


def root_cause(error: BaseException) -> str:
    """Return in one line what failed and why: the first message and the deepest, or that of an error with advice."""
    advising = _advising(error)
    messages = [_plain(str(link)) for link in ([advising] if advising else chain(error))]
    telling = [message for message in messages if message] or [type(error).__name__]
    first, deepest = telling[0], telling[-1]
    whole = first if deepest in first else deepest if first in deepest else f"{first}: {deepest}"
    return whole if len(whole) <= MOST_CHARACTERS else f"{whole[: MOST_CHARACTERS - 3]}..."


def _advising(error: BaseException) -> BaseException | None:
    """Return the error in the chain that says in its notes (PEP 678) what to do, as our own providers' do."""
    return next((link for link in chain(error) if getattr(link, "__notes__", None)), None)


def _plain(message: str) -> str:
    """Return a message in one line without a full stop; of what gRPC prints, the sentence inside."""
    inner = re.search(r'details = "([^"]*)"|message=([^)]*)\)', message)
    if message.startswith("<") and inner:
        message = inner[1] or inner[2]
    return " ".join(message.split()).rstrip(".?!")


def provider_failure(subject: Subject, api: str, provider_id: str, error: BaseException) -> Finding:
    """Say that a provider raised an error when it was to start."""
    if provider_id in NOT_CONFIGURED:
        return subject.finding(
            "provider-start",
            ("providers",),
            f"The API {api} did not start: {root_cause(error)}.",
            _likely_fix(error),
        )
    path, provider_type = _provider(subject, api, provider_id)
    return subject.finding(
        "provider-start",
        path,
        f"The provider `{provider_id}` ({provider_type}) of {api} did not start: {root_cause(error)}.",
        _likely_fix(error),
    )


def resource_failure(subject: Subject, kind: str, index: int, error: BaseException) -> Finding:
    """Say that a registered resource was refused; `index` counts as llama-stack does."""
    # llama-stack has dropped the disabled ones from the list, and counts without them.
    entries = [
        path for path, _ in subject.entries("registered_resources", kind) if path not in subject.expansion.dropped
    ]
    path: KeyPath = entries[index] if index < len(entries) else ("registered_resources", kind)
    return subject.finding(
        "resource-registration",
        path,
        f"The entry of {kind} was not registered: {root_cause(error)}.",
        _likely_fix(error),
    )


def unexpected(subject: Subject, error: BaseException) -> Finding:
    """Say that llama-stack failed in a way that no check foresaw, and which storage backend it speaks of."""
    backend = _backend_in(subject, " ".join(str(link) for link in chain(error)))
    advice = _likely_fix(error)
    if backend:
        return subject.finding(
            "startup", backend, f"The storage backend `{backend[2]}` failed: {root_cause(error)}.", advice
        )
    return subject.finding(
        "startup", (), f"llama-stack did not start: {type(error).__name__}: {root_cause(error)}.", advice
    )


def _backend_in(subject: Subject, text: str) -> KeyPath | None:
    for name, backend in subject.mapping("storage", "backends").items():
        if isinstance(backend, dict) and "host" in backend:
            port = str(backend.get("port") or "")
            if str(backend["host"]) in text and port in text:
                return ("storage", "backends", str(name), "host")
    return None


def _provider(subject: Subject, api: str, provider_id: str) -> tuple[KeyPath, str]:
    for provider in subject.providers:
        if provider.api == api and provider.provider_id == provider_id:
            return (*provider.path, "provider_id"), provider.provider_type
    return ("providers", api), "unknown type"


def _likely_fix(error: BaseException) -> str:
    if advising := _advising(error):
        return " ".join(advising.__notes__)
    names = " ".join(type(link).__name__ for link in chain(error))
    text = " ".join(str(link) for link in chain(error)).lower()
    fixes: list[tuple[bool, str]] = [
        (
            "bucket" in text and "does not exist" in text,
            "Create the bucket, or set auto_create_bucket (S3_AUTO_CREATE_BUCKET=true).",
        ),
        (
            "credentials" in text or "access denied" in text or "authentication failed" in text,
            "Check the credentials, and what they are allowed to do.",
        ),
        (
            "extension is not installed" in text,
            "Run `CREATE EXTENSION vector;` in that database, as a user who may.",
        ),
        (is_unreachable(error), "Is the service running, and the address right? It is needed to start."),
        (
            "PermissionError" in names or "unable to open database file" in text,
            "Make the directory writable for this user (fsGroup), or write below /data.",
        ),
        ("ModuleNotFoundError" in names or "ImportError" in names, "Build an image that has this package."),
        (
            "already exists. unregister it first" in text,
            "The registry has it from an earlier start, as another provider's. Give that provider its old provider_id "
            "again, or the registry another `namespace` in `storage.stores.metadata`.",
        ),
        ("not found" in text and "model" in text, "Register a model that the provider has."),
    ]
    for applies, fix in fixes:
        if applies:
            return fix
    return "Correct its config; LLAMA_STACK_LOGGING=all=debug shows the traceback."


def unreachable(subject: Subject, api: str, provider_id: str, error: BaseException) -> Finding:
    """Say that a provider started without the service it stands for."""
    path, provider_type = _provider(subject, api, provider_id)
    return subject.finding(
        "unreachable",
        path,
        f"The service behind `{provider_id}` ({provider_type}) does not answer: {root_cause(error)}".rstrip(".") + ".",
        "The server starts without it and goes on trying; REQUIRE_REACHABLE=1 would make this an error.",
    )
