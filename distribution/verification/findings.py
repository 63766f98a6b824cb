"""What verification has to say: findings, and the stable code of each kind."""

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """How bad a finding is: an ERROR is a config that this image cannot serve as it is written."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


RANKS = {Severity.ERROR: 0, Severity.WARNING: 1, Severity.INFO: 2}

KeyPath = tuple[str | int, ...]


@dataclass(frozen=True)
class Finding:
    """One thing found at one place; `line` and `column` count from 1, `path` is dotted."""

    code: str
    severity: Severity
    file: str
    line: int
    column: int
    path: str
    message: str
    advice: str

    @property
    def rank(self) -> tuple[int, str, int, int, str, str]:
        """Order findings by severity, then by where they are."""
        return (RANKS[self.severity], self.file, self.line, self.column, self.code, self.message)


# Every code, what it stands for, and how severe it is unless the check says otherwise. Codes are an
# interface: people filter by them. docs/verification.md explains each.
CODES: dict[str, tuple[Severity, str]] = {
    # The file
    "file-unreadable": (Severity.ERROR, "the run config cannot be read"),
    "yaml-syntax": (Severity.ERROR, "the file is not valid YAML"),
    "yaml-tab": (Severity.ERROR, "a tab where YAML wants spaces"),
    "yaml-duplicate-key": (Severity.ERROR, "the same key twice in one mapping"),
    "not-a-run-config": (Severity.ERROR, "the file is YAML but no run config"),
    # Its shape
    "missing-field": (Severity.ERROR, "a required field is not there"),
    "invalid-value": (Severity.ERROR, "a value of the wrong type or outside what is allowed"),
    "unknown-key": (Severity.WARNING, "a key that nobody reads"),
    "ignored-key": (Severity.WARNING, "a key that llama-stack knows and does not act on"),
    "old-format": (Severity.ERROR, "written for llama-stack 0.2.x"),
    # Variables
    "unset-variable": (Severity.ERROR, "${env.NAME} without a value"),
    "variable-file": (Severity.ERROR, "NAME_FILE names a file that gives NAME no value"),
    "malformed-variable": (Severity.ERROR, "something like ${env.NAME} that llama-stack does not expand"),
    # APIs and providers
    "unknown-api": (Severity.ERROR, "an API that does not exist"),
    "api-without-providers": (Severity.ERROR, "an API that cannot have providers"),
    "api-not-provided": (Severity.ERROR, "an API is listed and no provider serves it"),
    "api-not-listed": (Severity.WARNING, "a provider of an API that is not served"),
    "telemetry-moved": (Severity.INFO, "telemetry is a setting, not an API with providers"),
    "unknown-provider-type": (Severity.ERROR, "a provider type that exists nowhere"),
    "provider-not-shipped": (
        Severity.ERROR,
        "a provider type of llama-stack that this image does not contain",
    ),
    "provider-not-in-manifest": (
        Severity.INFO,
        "a provider type that works here without being shipped on purpose",
    ),
    "provider-deprecated": (Severity.WARNING, "a provider type that llama-stack will drop"),
    "provider-import": (Severity.ERROR, "a provider whose code does not import"),
    "provider-off": (Severity.INFO, "a provider that is switched off, or replaced by one that is switched on"),
    "external-version": (Severity.WARNING, "an external provider of another version than the config names"),
    "external-directory": (Severity.WARNING, "external_providers_dir or external_apis_dir is not there"),
    "duplicate-provider-id": (Severity.ERROR, "two providers of one API with one id"),
    "several-providers": (Severity.ERROR, "two providers of an API that takes one"),
    "missing-dependency": (Severity.ERROR, "an API that a provider needs is not served"),
    # Storage
    "unknown-backend": (Severity.ERROR, "a storage backend that is not defined"),
    "wrong-backend-kind": (Severity.ERROR, "a key-value backend where SQL is needed, or the reverse"),
    "backend-driver": (Severity.ERROR, "a storage backend whose driver is not in this image"),
    "directory-not-writable": (Severity.ERROR, "a directory that this user cannot create or write"),
    "low-disk-space": (Severity.WARNING, "less than 100 MB free"),
    # Resources
    "unknown-provider-id": (Severity.ERROR, "a reference to a provider that is not there"),
    "provider-reference-off": (Severity.ERROR, "a reference to a provider that is switched off"),
    "embedding-dimension": (Severity.ERROR, "an embedding model without a usable embedding_dimension"),
    "unknown-model": (Severity.ERROR, "a reference to a model that nobody serves"),
    "model-without-key": (Severity.WARNING, "a model of a provider that has no key to ask for its models with"),
    "resource-skipped": (Severity.WARNING, "a resource that llama-stack does not register"),
    "resource-off": (Severity.INFO, "a conditional resource that is switched off"),
    # The server
    "port-unavailable": (Severity.ERROR, "the port cannot be bound"),
    "tls": (Severity.ERROR, "TLS files that are missing, unreadable or do not fit"),
    "auth": (Severity.ERROR, "authentication that cannot work, or is half switched on"),
    "auth-unchecked": (Severity.WARNING, "authentication that checks less than it could"),
    "open-server": (Severity.INFO, "nobody has to authenticate, and others than this machine reach the server"),
    "route-policy": (Severity.ERROR, "a rule for routes that means nothing, or a policy that leaves none"),
    "access-policy": (Severity.WARNING, "rules for users that do not mean what they seem to"),
    "outgoing": (Severity.ERROR, "LLAMA_STACK_OUTGOING cannot be read"),
    "shared-state": (Severity.WARNING, "several workers on state that only one can use"),
    # Only while starting, or with --probe
    "provider-start": (Severity.ERROR, "a provider raised an error while it started"),
    "resource-registration": (Severity.ERROR, "a resource could not be registered"),
    "startup": (Severity.ERROR, "llama-stack raised an error while it started"),
    "unreachable": (Severity.WARNING, "a remote service does not answer"),
}


def dotted(path: KeyPath) -> str:
    """Write a path as people say it: `providers.files[0].config`."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else str(step)
    return text
