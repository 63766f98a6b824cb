"""What a run config tells uvicorn."""

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from llama_stack.core.datatypes import ServerConfig
from llama_stack.core.stack import replace_env_vars

EVERYWHERE = "0.0.0.0"  # noqa: S104 (a container is reached from outside)


@dataclass(frozen=True)
class ServerSettings:
    """The part of a run config that uvicorn is told; `port` is None when the config names none."""

    host: str
    port: int | None
    workers: int
    tls_keyfile: str | None
    tls_certfile: str | None
    tls_cafile: str | None

    def tls_options(self) -> dict[str, Any]:
        """Return uvicorn's TLS options: none without both key and certificate, as in `llama stack run`."""
        if not (self.tls_keyfile and self.tls_certfile):
            return {}
        options: dict[str, Any] = {"ssl_keyfile": self.tls_keyfile, "ssl_certfile": self.tls_certfile}
        if self.tls_cafile:
            options |= {"ssl_ca_certs": self.tls_cafile, "ssl_cert_reqs": ssl.CERT_REQUIRED}
        return options


def server_settings(config: Path) -> ServerSettings:
    """Read the `server:` block of a run config, variables expanded.

    Raises what upstream raises; a verified config raises nothing.
    """
    document = yaml.safe_load(config.read_text(encoding="utf-8"))
    block = replace_env_vars(document.get("server") or {})
    server = ServerConfig(**block)
    return ServerSettings(
        host=server.host or EVERYWHERE,
        port=server.port if block.get("port") is not None else None,
        workers=server.workers,
        tls_keyfile=server.tls_keyfile,
        tls_certfile=server.tls_certfile,
        tls_cafile=server.tls_cafile,
    )


def wished_address(config: Path) -> tuple[str, int | None]:
    """Read where a config that may be wrong wants the server to listen; None for a port it does not name."""
    try:
        server = replace_env_vars(yaml.safe_load(config.read_text(encoding="utf-8"))["server"])
        host, port = server.get("host"), server.get("port")
    except Exception:
        # Verification says what is wrong with it.
        host, port = None, None
    return (
        host if isinstance(host, str) else EVERYWHERE,
        port if isinstance(port, int) and 0 < port < 65536 else None,
    )
