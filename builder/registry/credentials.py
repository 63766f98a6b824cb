"""Who the user is at a registry: the environment, Podman's and Docker's auth files, credential helpers.

The docker SDK reads the files and calls the helpers; which file counts is as in Podman and skopeo.
"""

import json
import os
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from docker.auth import AuthConfig
from docker.errors import DockerException

from builder import paths
from builder.errors import UsageError, UserFileError

USERNAME, PASSWORD = "REGISTRY_USERNAME", "REGISTRY_PASSWORD"
CONTENT = "DOCKER_AUTH_CONFIG"
FILE = "REGISTRY_AUTH_FILE"

_LEGACY_PATHS = ("", "v1", "v1/", "v2", "v2/")
"""What Docker's own files may have behind a host name; any other path is Podman's way to name a repository."""


@dataclass(frozen=True)
class Credentials:
    """An account, and where it was found."""

    source: str
    username: str = ""
    password: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)
    """Docker's name for an OAuth refresh token; there is no password then."""


def of_environment(environment: Mapping[str, str] = os.environ) -> Credentials | None:
    """The account that REGISTRY_USERNAME and REGISTRY_PASSWORD name: for the registry that is pushed to."""
    given = [name for name in (USERNAME, PASSWORD) if environment.get(name)]
    if len(given) == 1:
        raise UsageError(f"{given[0]} is set and its counterpart is not", f"set {USERNAME} and {PASSWORD}, or neither")
    if not given:
        return None
    return Credentials(f"{USERNAME} and {PASSWORD}", environment[USERNAME], environment[PASSWORD])


def find(host: str, repository: str, environment: Mapping[str, str] = os.environ) -> Credentials | None:
    """The account for a repository, from the first place that has one. Raises UserFileError for a broken file."""
    content = environment.get(CONTENT)
    if content and (found := _in_document(content, Path(CONTENT), host, repository)):
        return found
    for path in _files(environment):
        if os.path.isfile(path) and (found := _in_document(path.read_text(encoding="utf-8"), path, host, repository)):
            return found
    return None


def places(environment: Mapping[str, str] = os.environ) -> str:
    """Where credentials are looked for, for a message."""
    return ", ".join([f"{USERNAME} and {PASSWORD}", CONTENT, *(str(path) for path in _files(environment))])


def _files(environment: Mapping[str, str]) -> Iterator[Path]:
    if chosen := environment.get(FILE):
        yield Path(chosen)
        return
    given = environment.get("HOME")
    home = Path(given) if given else paths.home()
    if runtime := environment.get("XDG_RUNTIME_DIR"):
        yield Path(runtime) / "containers/auth.json"
    if hasattr(os, "getuid"):
        yield Path(f"/run/containers/{os.getuid()}/auth.json")
    if folder := environment.get("XDG_CONFIG_HOME") or (home and home / ".config"):
        yield Path(folder) / "containers/auth.json"
    if folder := environment.get("DOCKER_CONFIG") or (home and home / ".docker"):
        yield Path(folder) / "config.json"


def _in_document(content: str, path: Path, host: str, repository: str) -> Credentials | None:
    advice = f"log in again (docker login {host}, podman login {host}), or mend the file"
    try:
        document = json.loads(content)
        if not document:
            return None
        config = AuthConfig.load_config(None, document)
    except (DockerException, ValueError, AttributeError, TypeError) as error:
        raise UserFileError(path, f"is not an auth file: {error}", advice) from error
    try:
        with warnings.catch_warnings(action="ignore"):  # of a helper that is missing; the error says it too
            entry = _entry(config, host, repository)
    except (DockerException, OSError, ValueError) as error:
        raise UserFileError(path, f"its credential helper for {host} fails: {error}", advice) from error
    if not entry:
        return None
    values = {name.lower(): value for name, value in entry.items()}  # files and helpers spell them differently
    return Credentials(
        str(path), values.get("username") or "", values.get("password") or "", values.get("identitytoken") or ""
    )


def _entry(config: AuthConfig, host: str, repository: str) -> dict[str, Any] | None:
    """The entry with the longest path that covers the repository."""
    parts = repository.split("/")
    for count in range(len(parts), 0, -1):
        if entry := config.auths.get("/".join([host, *parts[:count]])):
            return dict(entry)
    for key in list(config.auths):
        if key.rpartition("://")[2].partition("/")[2] not in _LEGACY_PATHS:
            del config.auths[key]  # of another repository
    return config.resolve_authconfig(host) or None
