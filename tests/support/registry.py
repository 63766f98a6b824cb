"""A container registry, plain or with TLS and accounts."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import bcrypt
import trustme

from tests.support.process import LOOPBACK, answers, free_port, installed, running, scratch
from tests.support.token_issuer import TokenIssuer


@dataclass(frozen=True)
class Registry:
    """The address that stands before an image's name, and the CA to trust if the registry has TLS."""

    address: str
    ca: Path | None

    @property
    def url(self) -> str:
        """The registry's own address."""
        return f"{'https' if self.ca else 'http'}://{self.address}"


@contextmanager
def serve(
    *,
    tls: bool = False,
    accounts: Mapping[str, str] | None = None,
    tokens: TokenIssuer | None = None,
    read_only: bool = False,
) -> Iterator[Registry]:
    """Serve a registry until the block ends, for everybody, for ``accounts`` (name to password) or for tokens."""
    server = installed("docker-registry", "apt-get install docker-registry")
    port = free_port()
    with scratch("registry") as directory:
        http: dict[str, object] = {"addr": f"{LOOPBACK}:{port}"}
        config: dict[str, object] = {
            "version": "0.1",
            "storage": {
                "filesystem": {"rootdirectory": str(directory / "data")},
                "delete": {"enabled": True},
            },
            "http": http,
        }
        registry = Registry(f"{LOOPBACK}:{port}", directory / "ca.pem" if tls else None)
        if registry.ca:
            http["tls"] = _certify(registry.ca, directory)
        if read_only:
            config["storage"] = {
                "filesystem": {"rootdirectory": str(directory)},
                "maintenance": {"readonly": {"enabled": True}},
            }
        if tokens:
            config["auth"] = {"token": tokens.registry_settings()}
        if accounts:
            passwords = directory / "htpasswd"
            passwords.write_text("".join(_htpasswd(name, word) for name, word in accounts.items()))
            config["auth"] = {"htpasswd": {"realm": "tests", "path": str(passwords)}}
        file = directory / "config.yml"
        file.write_text(json.dumps(config))  # JSON is YAML
        with running(
            [server, "serve", file],
            log=directory / "log",
            ready=lambda: answers(f"{registry.url}/", registry.ca),
        ):
            yield registry


def _certify(ca: Path, directory: Path) -> dict[str, str]:
    """Make an authority, saved as ``ca``, and the server's certificate; returns the registry's settings."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(ca))
    certificate = authority.issue_cert(LOOPBACK, "localhost")
    key, chain = directory / "key.pem", directory / "chain.pem"
    certificate.private_key_pem.write_to_path(str(key))
    for part in certificate.cert_chain_pems:
        part.write_to_path(str(chain), append=True)
    return {"certificate": str(chain), "key": str(key)}


def _htpasswd(name: str, password: str) -> str:
    return f"{name}:{bcrypt.hashpw(password.encode(), bcrypt.gensalt(rounds=4)).decode()}\n"
