"""A Docker engine: the one that answers already, or a daemon of its own beside any other.

The daemon's files, sockets and network bridge are its own, and it leaves the firewall alone: a container's
published ports are served on the loopback interface, and it reaches this machine through the bridge, but
nothing beyond.
"""

import ipaddress
import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import docker
from docker.errors import DockerException

from tests.support.process import NotInstalled, installed, running, scratch

INSTALL = "apt-get install docker.io iproute2 iptables"
SUBNETS = ipaddress.IPv4Network("10.213.0.0/16")


@dataclass(frozen=True)
class DockerEngine:
    """An engine's address, as ``DOCKER_HOST`` takes it."""

    host: str

    @cached_property
    def client(self) -> docker.DockerClient:
        """A client of the engine."""
        return docker.DockerClient(self.host)


@contextmanager
def serve() -> Iterator[DockerEngine]:
    """An engine until the block ends."""
    if engine := _running_already():
        yield engine
        return
    dockerd = installed("dockerd", INSTALL)
    if os.geteuid() != 0:
        raise NotInstalled("no Docker engine answers, and only root can start one; start one, or set DOCKER_HOST")
    with scratch("dockerd") as directory, _bridge() as bridge:
        host = f"unix://{directory / 'docker.sock'}"
        config = directory / "daemon.json"
        config.write_text("{}")
        command: list[str | Path] = [
            *(dockerd, f"--config-file={config}", f"--host={host}", f"--bridge={bridge}"),
            *(f"--data-root={directory / 'data'}", f"--exec-root={directory / 'exec'}"),
            *(f"--containerd-namespace={bridge}", f"--containerd-plugins-namespace={bridge}-plugins"),
            *(f"--pidfile={directory / 'pid'}", "--ip-forward=false", "--iptables=false"),
        ]
        with _unmounted(directory), running(command, log=directory / "log", ready=lambda: _answers(host)):
            engine = DockerEngine(host)
            try:
                yield engine
            finally:
                _empty(engine.client)


def _running_already() -> DockerEngine | None:
    host = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    return DockerEngine(host) if _answers(host) else None


def _answers(host: str) -> bool:
    try:
        docker.DockerClient(host).close()
    except DockerException:
        return False
    return True


def _empty(client: docker.DockerClient) -> None:
    """Remove what would outlive the daemon: containers' processes and networks' interfaces."""
    for container in client.containers.list(all=True):
        container.remove(force=True)
    client.networks.prune()


@contextmanager
def _unmounted(directory: Path) -> Iterator[None]:
    """Afterwards nothing is mounted below a directory: the daemon leaves a network namespace there."""
    try:
        yield
    finally:
        places = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
        for place in reversed(places):
            if Path(place).is_relative_to(directory):
                subprocess.run(["umount", "--lazy", place], check=True)


@contextmanager
def _bridge() -> Iterator[str]:
    """A network bridge of a name and a subnet that no interface has."""
    ip = installed("ip", INSTALL)
    taken = [
        ipaddress.ip_interface(f"{address['local']}/{address['prefixlen']}").network
        for interface in json.loads(subprocess.check_output([ip, "-json", "-4", "address"]))
        for address in interface["addr_info"]
    ]
    subnet = next(net for net in SUBNETS.subnets(new_prefix=24) if not any(net.overlaps(other) for other in taken))
    name = f"test-{subnet.network_address.packed[2]}"
    subprocess.run([ip, "link", "add", name, "type", "bridge"], check=True)
    try:
        subprocess.run([ip, "address", "add", f"{subnet[1]}/{subnet.prefixlen}", "dev", name], check=True)
        subprocess.run([ip, "link", "set", name, "up"], check=True)
        yield name
    finally:
        subprocess.run([ip, "link", "delete", name], check=True)
