"""An issuer of signed tokens, as Keycloak is one: it publishes its keys, and makes any token that is wanted."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.support import http_server
from tests.support.process import LOOPBACK

ISSUER, AUDIENCE = "https://issuer.test/realms/tests", "llama-stack"


@dataclass
class IdentityProvider:
    """`down` has it answer 503; `fetched` counts how often its keys were asked for."""

    url: str = ""
    down: bool = False
    fetched: int = 0
    keys: dict[str, Any] = field(default_factory=dict)
    """Key id -> private key of what is published."""
    published: list[dict[str, Any]] = field(default_factory=list)
    """What is published beside the keys, as it is."""

    def rotate(self) -> None:
        """Make a new key; the old ones are not published any more."""
        self.keys = {f"key-{time.monotonic_ns()}": rsa.generate_private_key(public_exponent=65537, key_size=2048)}

    @property
    def document(self) -> dict[str, Any]:
        """What is published."""
        own = [
            {**json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key())), "kid": name, "use": "sig"}
            for name, key in self.keys.items()
        ]
        return {"keys": [*self.published, *own]}

    def token(self, subject: Any = "alice", *, lifetime: float = 300, key_id: str | None = None, **claims: Any) -> str:
        """Sign a token for `lifetime` seconds; a claim that is None is left out."""
        name, key = next(iter(self.keys.items()))
        now = int(time.time())
        all_claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": subject, "iat": now, "exp": now + lifetime} | claims
        given = {claim: value for claim, value in all_claims.items() if value is not None}
        return jwt.encode(given, key, algorithm="RS256", headers={"kid": key_id or name})


@contextmanager
def serve() -> Iterator[IdentityProvider]:
    """Publish keys until the block ends."""
    provider = IdentityProvider()
    provider.rotate()

    class Answer(http_server.Handler):
        def do_GET(self) -> None:
            provider.fetched += 1
            content = json.dumps(provider.document).encode()
            self.send_response(503 if provider.down else 200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    with http_server.serving(Answer) as port:
        provider.url = f"http://{LOOPBACK}:{port}/keys"
        yield provider
