"""HTTP to one registry: its certificate, its questions for credentials, its errors in words."""

import base64
import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
from requests.auth import AuthBase
from requests.utils import parse_dict_header

from builder import download, paths
from builder.errors import UnreachableError
from builder.registry import credentials
from builder.registry.credentials import Credentials
from builder.tags import DEFAULT_HOST

_API_HOSTS = {DEFAULT_HOST: "registry-1.docker.io"}
_CLIENT = "llama-stack-distribution"
_CERTIFICATES = ("/etc/docker/certs.d", "/etc/containers/certs.d")
_OWN_CERTIFICATES = (".config/containers/certs.d", ".docker/certs.d")
"""Where Docker and Podman keep a registry's own CA, in a folder of its name; these are below the user's home."""


class _Header(AuthBase):
    """Sets one header; that there is an `auth` at all keeps requests from looking into ~/.netrc."""

    def __init__(self, value: str | None) -> None:
        self._value = value

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._value:
            request.headers["Authorization"] = self._value
        return request


class Connection:
    """Requests to a registry, with whatever authorization it asks for. Threads may share one."""

    def __init__(self, host: str, account: Credentials | None, *, plain_http: bool) -> None:
        self.host = host
        self.account = account
        self.address = f"{'http' if plain_http else 'https'}://{_API_HOSTS.get(host, host)}"
        self._http = download.session(_own_authorities(host))
        self._authorization: str | None = None
        self._lock = threading.Lock()

    def request(
        self,
        method: str,
        address: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: Any = None,
        stream: bool = False,
    ) -> requests.Response:
        """One request, repeated with credentials where the registry asks for them.

        `address` may be relative to the registry. A body that can be read once only is not repeated: the
        caller sees 401 and sends it anew. Raises UnreachableError if no answer comes or the credentials
        are refused.
        """
        url = urljoin(self.address, address)
        ours = urlsplit(url).netloc == urlsplit(self.address).netloc
        for _ in range(3):  # without, with a token that may be stale or too narrow, with a new one
            used = self._authorization if ours else None
            try:
                response = self._http.request(
                    method,
                    url,
                    headers=dict(headers or {}),
                    data=body,
                    stream=stream,
                    timeout=download.TIMEOUT,
                    auth=_Header(used),
                )
            except requests.RequestException as error:
                raise self._unreachable(error) from error
            if response.status_code != 401 or not ours:
                return response
            self._authorize(response, used)
            if not (body is None or isinstance(body, bytes)):
                return response
        raise self._credentials_refused(response)

    def refused(self, response: requests.Response, what: str, advice: str = "") -> UnreachableError:
        """What the registry said, as an error. `what` is what it was asked for."""
        if response.status_code == 403 and not advice:
            advice = f"ask for the right to do so, or log in as somebody else: {self._login()}"
        return UnreachableError(f"{self.host} refuses {what}: {reason_given(response)}", advice)

    def _authorize(self, response: requests.Response, used: str | None) -> None:
        challenge = response.headers.get("WWW-Authenticate", "")
        with self._lock:
            if self._authorization != used:
                return  # another thread was faster
            kind, _, parameters = challenge.partition(" ")
            if kind.lower() == "bearer":
                self._authorization = f"Bearer {self._token(_parsed(parameters))}"
            elif kind.lower() != "basic":
                raise UnreachableError(f"{self.host} asks for an unknown kind of credentials: {challenge or 'none'}")
            elif self.account is None or used:
                raise self._credentials_refused(response)
            else:
                self._authorization = _basic(self.account)

    def _token(self, challenge: dict[str, Any]) -> str:
        realm, account = str(challenge.get("realm", "")), self.account
        if self.address.startswith("https:") and not realm.startswith("https:"):
            raise UnreachableError(f"{self.host} sends its users to {realm or 'nowhere'}, where no password is safe")
        asked = {"service": challenge.get("service"), "scope": str(challenge.get("scope", "")).split()}
        try:
            if account and account.identity_token:
                secret = {"grant_type": "refresh_token", "refresh_token": account.identity_token, "client_id": _CLIENT}
                form = {**asked, "scope": " ".join(asked["scope"] or ()), **secret}
                response = self._http.post(realm, data=form, timeout=download.TIMEOUT, auth=_Header(None))
            else:
                basic = _basic(account) if account else None
                response = self._http.get(realm, params=asked, timeout=download.TIMEOUT, auth=_Header(basic))
        except requests.RequestException as error:
            raise self._unreachable(error) from error
        if response.status_code in (400, 401, 403):
            raise self._credentials_refused(response)
        try:
            response.raise_for_status()
            document = response.json()
            return str(document.get("token") or document["access_token"])
        except (requests.RequestException, ValueError, KeyError, AttributeError) as error:
            raise UnreachableError(f"{realm} gives no token for {self.host}: {reason_given(response)}") from error

    def _credentials_refused(self, response: requests.Response) -> UnreachableError:
        if self.account is None:
            return UnreachableError(
                f"{self.host} asks for credentials, and there are none in {credentials.places()}",
                f"{self._login()}, or set {credentials.USERNAME} and {credentials.PASSWORD}",
            )
        who = self.account.username or "a token"
        return UnreachableError(
            f"{self.host} does not accept {who} from {self.account.source}, wrong or expired: {reason_given(response)}",
            f"log in again: {self._login()}",
        )

    def _login(self) -> str:
        return f"docker login {self.host} (or podman login {self.host})"

    def _unreachable(self, error: requests.RequestException) -> UnreachableError:
        cause = download.cause(error)
        if isinstance(error, requests.exceptions.SSLError):
            if "WRONG_VERSION_NUMBER" in cause or "RECORD_LAYER_FAILURE" in cause:
                return UnreachableError(f"{self.host} does not speak TLS", "if that is as it should be: --plain-http")
            return UnreachableError(
                f"the certificate of {self.host} is not to be trusted: {cause}",
                f"put its CA where the system's are, into {_CERTIFICATES[0]}/{self.host}/ca.crt, "
                "or into a file that SSL_CERT_FILE names",
            )
        return UnreachableError(f"{self.host}: {cause}", "check the name, the proxy, and that the registry is up")


def reason_given(response: requests.Response) -> str:
    """The registry's own words for an error."""
    try:
        errors = response.json()["errors"]
        words = "; ".join(f"{item.get('code', '')} {item.get('message') or ''}".strip() for item in errors)
    except (ValueError, KeyError, TypeError, AttributeError):
        words = ""
    return f"{response.status_code} {words or response.reason}"


def _parsed(parameters: str) -> dict[str, Any]:
    found: dict[str, Any] = parse_dict_header(parameters)  # type: ignore[no-untyped-call]
    return found


def _basic(account: Credentials) -> str:
    return "Basic " + base64.b64encode(f"{account.username}:{account.password}".encode()).decode()


def _own_authorities(host: str) -> list[Path]:
    home = paths.home()
    places = [Path(folder) for folder in _CERTIFICATES] + [home / folder for folder in _OWN_CERTIFICATES if home]
    folders = [place / host for place in places]
    return [path for folder in folders if os.path.isdir(folder) for path in sorted(folder.glob("*.crt"))]
