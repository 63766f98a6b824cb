"""Download files over HTTP and check them by hash."""

import hashlib
import ssl
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import requests
import truststore
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from builder import network, paths
from builder.errors import KitError, UnreachableError

TIMEOUT = (10, 60)
"""Seconds to connect, and between two reads."""


class NotThereError(UnreachableError):
    """The server answers that it does not have the file."""


class _SystemTrust(HTTPAdapter):
    """Trusts the system's CA certificates beside requests' own and `authorities`, in this session and nowhere else."""

    def __init__(self, authorities: Iterable[Path], **options: Any) -> None:
        self._authorities = tuple(authorities)
        super().__init__(**options)

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        options["ssl_context"] = self._context()
        super().init_poolmanager(*arguments, **options)

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        options["ssl_context"] = self._context()
        return super().proxy_manager_for(proxy, **options)

    def _context(self) -> truststore.SSLContext:
        context = truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        for file in self._authorities:
            context.load_verify_locations(file)
        return context


def session(authorities: Iterable[Path] = ()) -> requests.Session:
    """An HTTP session that trusts what the system trusts, and these files, and retries what is worth retrying."""
    made = requests.Session()
    retry = Retry(total=3, other=0, backoff_factor=0.5, status_forcelist=(429, 500, 502, 503, 504))  # other: TLS
    for scheme in ("http://", "https://"):
        made.mount(scheme, _SystemTrust(authorities, max_retries=retry, pool_maxsize=8))
    return made


def package_session() -> requests.Session:
    """A session for package mirrors: with the CA and the proxy that pip and uv have for the package index."""
    certificates = network.certificates()
    made = session([Path(certificates)] if certificates else [])
    if proxy := network.proxy():
        made.proxies = {"http": proxy, "https": proxy}
    return made


def get(http: requests.Session, address: str) -> bytes:
    """The content at `address`. Raises NotThereError for 404 and 410, else UnreachableError."""
    return answer(http, address).content


def answer(http: requests.Session, address: str) -> requests.Response:
    """`get` with what the server says of the content."""
    shown = network.without_password(address)
    try:
        response = http.get(address, timeout=TIMEOUT)
    except requests.RequestException as error:
        raise UnreachableError(f"{shown}: {cause(error)}", "check the address, the proxy and the CA") from error
    if response.status_code in (404, 410):
        raise NotThereError(f"{shown}: the server does not have it ({response.status_code})")
    if not response.ok:
        raise UnreachableError(f"{shown}: the server answers {response.status_code} {response.reason}")
    return response


def checked(content: bytes, sha256: str, name: str) -> bytes:
    """`content` if its SHA-256 is the expected one; otherwise an error that names both."""
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise KitError(
            f"{name} is not the file that was locked\n  expected sha256 {sha256}\n  received sha256 {found}",
            "the mirror or a proxy on the way changed it; do not use it. `build.py lock` looks versions up anew",
        )
    return content


def kept(sha256: str, cache: Path) -> bytes | None:
    """The file with this hash, if `cache` has it."""
    file = cache / sha256
    content = file.read_bytes() if file.is_file() else None
    return content if content is not None and hashlib.sha256(content).hexdigest() == sha256 else None


def cached(http: requests.Session, addresses: list[str], sha256: str, cache: Path) -> bytes:
    """The file with this hash, from `cache` or the first address that has it; kept in `cache`."""
    if (known := kept(sha256, cache)) is not None:
        return known
    missing: NotThereError | None = None
    for address in addresses:
        try:
            content = checked(get(http, address), sha256, network.without_password(address))
        except NotThereError as error:
            missing = missing or error
            continue
        paths.write_whole(cache / sha256, content)
        return content
    raise missing or NotThereError("no address to download from")


def cause(error: requests.RequestException) -> str:
    """The innermost reason, which says more than the chain of wrappers around it."""
    innermost: BaseException = error
    while (inner := innermost.__cause__ or innermost.__context__) is not None:
        innermost = inner
    return str(innermost) or type(innermost).__name__
