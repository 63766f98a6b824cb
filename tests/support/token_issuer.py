"""An authorization service as registries use them: basic credentials or a refresh token in, a signed token out."""

import base64
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import trustme
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from cryptography.x509 import load_pem_x509_certificate

from tests.support import http_server
from tests.support.process import LOOPBACK

ISSUER, SERVICE = "tests", "registry"


class TokenIssuer:
    """Gives tokens to one account; ``stale`` is how many expired ones it gives out first."""

    def __init__(self, directory: Path, account: tuple[str, str], refresh_token: str, stale: int) -> None:
        self.scopes: list[str] = []
        self.address = ""
        self._account, self._refresh_token, self._stale = account, refresh_token, stale
        self._roots = directory / "issuer.pem"
        authority = trustme.CA()
        issued = authority.issue_cert("issuer.test")
        authority.cert_pem.write_to_path(str(self._roots))
        key = load_pem_private_key(issued.private_key_pem.bytes(), None)
        assert isinstance(key, EllipticCurvePrivateKey)
        self._key = key
        certificate = load_pem_x509_certificate(issued.cert_chain_pems[0].bytes())
        self._chain = [base64.b64encode(certificate.public_bytes(Encoding.DER)).decode()]

    def registry_settings(self) -> dict[str, str]:
        """The registry's settings that send its users here."""
        return {
            "realm": f"{self.address}/token",
            "service": SERVICE,
            "issuer": ISSUER,
            "rootcertbundle": str(self._roots),
        }

    def answer(self, authorization: str, asked: dict[str, list[str]]) -> dict[str, str] | None:
        """A token for what was asked, or None for somebody unknown."""
        basic = "Basic " + base64.b64encode(":".join(self._account).encode()).decode()
        if authorization != basic and asked.get("refresh_token") != [self._refresh_token]:
            return None
        scopes = [scope for words in asked.get("scope", []) for scope in words.split()]
        self.scopes += scopes
        return {"token": self._token(scopes)}

    def _token(self, scopes: list[str]) -> str:
        now = int(time.time())
        if self._stale:
            self._stale -= 1
            now -= 3600
        access = []
        for scope in scopes:
            kind, _, rest = scope.partition(":")
            name, _, actions = rest.rpartition(":")
            access.append({"type": kind, "name": name, "actions": actions.split(",")})
        claims: dict[str, object] = {"iss": ISSUER, "aud": SERVICE, "sub": "tests", "jti": str(now), "access": access}
        claims |= {"iat": now, "nbf": now, "exp": now + 300}
        header = {"typ": "JWT", "alg": "ES256", "x5c": self._chain}
        signed = f"{_encoded(json.dumps(header).encode())}.{_encoded(json.dumps(claims).encode())}"
        r, s = decode_dss_signature(self._key.sign(signed.encode(), ECDSA(hashes.SHA256())))
        return f"{signed}.{_encoded(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


@contextmanager
def serve(directory: Path, account: tuple[str, str], *, refresh_token: str, stale: int = 0) -> Iterator[TokenIssuer]:
    """Give out tokens until the block ends."""
    issuer = TokenIssuer(directory, account, refresh_token, stale)

    class Answer(http_server.Handler):
        def do_GET(self) -> None:
            self._reply(urlsplit(self.path).query)

        def do_POST(self) -> None:
            self._reply(self.rfile.read(int(self.headers["Content-Length"])).decode())

        def _reply(self, query: str) -> None:
            found = issuer.answer(self.headers.get("Authorization", ""), parse_qs(query))
            content = json.dumps(found or {"errors": [{"code": "UNAUTHORIZED", "message": "who are you"}]}).encode()
            self.send_response(200 if found else 401)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    with http_server.serving(Answer) as port:
        issuer.address = f"http://{LOOPBACK}:{port}"
        yield issuer


def _encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
