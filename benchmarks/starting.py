"""How long a container takes to answer `/v1/health`."""

import socket
import time
from contextlib import suppress

import requests
from docker import DockerClient
from docker.errors import APIError

TIMEOUT = 120


def seconds_to_healthy(client: DockerClient, image: str) -> float:
    """Start a new container and wait for its first healthy answer."""
    port = _free_port()
    container = client.containers.create(image, ports={"8321/tcp": ("127.0.0.1", port)})
    try:
        started = time.monotonic()
        container.start()
        while not _is_healthy(port):
            container.reload()
            if container.status == "exited" or time.monotonic() - started > TIMEOUT:
                log = container.logs(tail=40).decode("utf-8", errors="replace")
                raise SystemExit(f"{image} is not healthy; its log ends:\n{log}")
            time.sleep(0.02)
        return time.monotonic() - started
    finally:
        with suppress(APIError):
            container.remove(force=True, v=True)


def _is_healthy(port: int) -> bool:
    try:
        with requests.Session() as session:
            session.trust_env = False  # no proxy stands between us and the loopback
            return session.get(f"http://127.0.0.1:{port}/v1/health", timeout=5).ok
    except requests.RequestException:
        return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
