"""Verify a built image before calling it done: start it, use it as a client would.

The verdict is kept by the image's digest: an unchanged image is not verified twice, one that failed is not pushed.
"""

import io
import json
import time
from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import requests

from builder import paths
from builder.command import last_lines
from builder.errors import KitError
from builder.manifest import Manifest
from builder.servers import Server

_http = requests.Session()
_http.trust_env = False  # the server is on this machine: past any proxy

START_SECONDS = 120
"""How long the server may take to become healthy; about three on an idle machine."""


@dataclass(frozen=True)
class Row:
    """One provider of the manifest, as the running server shows it."""

    api: str
    provider: str
    provider_type: str
    resolved: str
    """`yes`, or `off` for a provider that the default run config leaves switched off."""


@dataclass(frozen=True)
class ImageVerdict:
    """What a good verification found."""

    rows: tuple[Row, ...]
    models: int
    seconds_to_healthy: float
    where: str


def verdict_on(digest: str) -> ImageVerdict | None:
    """The verdict on the image with this digest, if it was verified before."""
    try:
        document = json.loads((paths.VERDICTS / f"{digest.partition(':')[2]}.json").read_text())
    except FileNotFoundError:
        return None
    rows = tuple(Row(**row) for row in document.pop("rows"))
    return ImageVerdict(rows=rows, **document)


def remember(digest: str, verdict: ImageVerdict) -> None:
    """Remember the verdict on an image."""
    paths.write_whole(paths.VERDICTS / f"{digest.partition(':')[2]}.json", json.dumps(asdict(verdict)))
    _failure_of(digest).unlink(missing_ok=True)


def failure(digest: str) -> str:
    """Why the image with this digest failed verification; empty if it did not, or was never verified."""
    try:
        return _failure_of(digest).read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""


def remember_failure(digest: str, why: str) -> None:
    """Remember that an image failed."""
    paths.write_whole(_failure_of(digest), why)


def _failure_of(digest: str) -> Path:
    return paths.VERDICTS / f"{digest.partition(':')[2]}.failed"


def verify(start: AbstractContextManager[Server], manifest: Manifest) -> ImageVerdict:
    """Start the image, wait until it is healthy and use it. Raises KitError with the log's end if it fails."""
    started = time.monotonic()
    with start as server:
        address = _wait_until_healthy(server, started)
        healthy = time.monotonic() - started
        try:
            providers = _get(address, "/v1/providers")["data"]
            models = _get(address, "/v1/models")["data"]
            _use_prompts(address)
            _use_files(address)
        except (requests.RequestException, KeyError) as error:
            raise KitError(f"the image starts but does not work: {error}\n{last_lines(server.log())}") from error
        return ImageVerdict(tuple(_rows(manifest, providers)), len(models), round(healthy, 1), server.where)


def _wait_until_healthy(server: Server, started: float) -> str:
    while time.monotonic() - started < START_SECONDS:
        address = server.address()
        if address is None:
            raise KitError(f"the server ended before it was healthy; its log ends with\n{last_lines(server.log())}")
        try:
            if _http.get(f"{address}/v1/health", timeout=5).ok:
                return address
        except requests.RequestException:
            pass  # not listening yet
        time.sleep(0.1)
    raise KitError(f"the server was not healthy after {START_SECONDS} s; its log ends with\n{last_lines(server.log())}")


def _get(address: str, path: str) -> Any:
    response = _http.get(address + path, timeout=30)
    response.raise_for_status()
    return response.json()


def _use_prompts(address: str) -> None:
    wanted = {"prompt": "Say {{word}}", "variables": ["word"]}
    created = _http.post(f"{address}/v1/prompts", json=wanted, timeout=30)
    created.raise_for_status()
    read = _get(address, f"/v1/prompts/{created.json()['prompt_id']}")
    if read["prompt"] != wanted["prompt"]:
        raise KitError(f"a prompt came back as {read['prompt']!r} instead of {wanted['prompt']!r}")


def _use_files(address: str) -> None:
    content = b"verification"
    upload = {"file": ("verification.txt", io.BytesIO(content))}
    created = _http.post(f"{address}/v1/files", files=upload, data={"purpose": "assistants"}, timeout=30)
    created.raise_for_status()
    path = f"{address}/v1/files/{created.json()['id']}"
    read = _http.get(f"{path}/content", timeout=30)
    read.raise_for_status()
    if read.content != content:
        raise KitError(f"a file of {len(content)} bytes came back with {len(read.content)}")
    _http.delete(path, timeout=30).raise_for_status()


def _rows(manifest: Manifest, served: list[dict[str, Any]]) -> Iterable[Row]:
    shown = {(item["api"], item["provider_type"]): item["provider_id"] for item in served}
    for provider in manifest.providers:
        name = shown.get((provider.api, provider.provider_type))
        yield Row(provider.api, name or "", provider.provider_type, "yes" if name else "off")
