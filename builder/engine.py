"""A container engine, Docker or Podman, through the docker SDK: found if one answers, never needed."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import docker
from docker.errors import APIError, BuildError, DockerException, ImageNotFound
from docker.models.containers import Container

from builder import ending, paths, progress
from builder.errors import KitError, UnreachableError
from builder.tags import Tag

PORT = "8321/tcp"

_ANSWER_SECONDS, _WORK_SECONDS = 10, 600
"""How long an engine may take to say that it is there, and for what it is asked to do."""

HARDENED: dict[str, Any] = {
    "read_only": True,
    "tmpfs": {"/tmp": ""},  # noqa: S108 - a path in the container
    "volumes": ["/data"],
    "user": "1000650000:0",
    "cap_drop": ["ALL"],
    "security_opt": ["no-new-privileges"],
}
"""How OpenShift runs a container: an arbitrary uid of group 0, nothing but /data and /tmp to write to."""


class Engine:
    """A reachable engine."""

    def __init__(self, client: docker.DockerClient, address: str) -> None:
        self._client = client
        self.address = address

    def load(self, archive: Path) -> None:
        """Load an archive; its tags come with it."""
        try:
            with archive.open("rb") as stream:
                self._client.images.load(stream)
        except (DockerException, OSError) as error:
            raise KitError(f"the engine at {self.address} did not load {archive.name}: {_said(error)}") from error

    def build(self, context: Path, file: str, tag: Tag, labels: dict[str, str]) -> str:
        """Build a Containerfile; returns the image's id."""
        try:
            built, _ = self._client.images.build(
                path=str(context), dockerfile=file, tag=str(tag), labels=labels, rm=True, forcerm=True
            )
        except (APIError, BuildError) as error:
            raise KitError(f"the engine at {self.address} did not build {file}: {_said(error)}") from error
        return str(built.id)

    def holds(self, tag: Tag, digests: set[str]) -> bool:
        """Whether the engine has an image with one of these digests under this tag.

        Engines name an image by the digest of its config or, with containerd's store, of its manifest.
        """
        try:
            return str(self._client.images.get(str(tag)).id) in digests
        except (ImageNotFound, APIError):
            return False

    def save(self, name: str, target: Path) -> bool:
        """Write an image to `target` as `docker save` does; False if the engine has none of that name."""
        try:
            found = self._client.images.get(name)
        except ImageNotFound:
            return False
        try:
            with target.open("wb") as stream:
                stream.writelines(found.save())
        except APIError as error:
            raise KitError(f"the engine at {self.address} did not save {name}: {_said(error)}") from error
        return True

    def forget(self, tag: Tag) -> None:
        """Take a tag away again."""
        with suppress(ImageNotFound, APIError):
            self._client.images.remove(str(tag), noprune=True)

    @contextmanager
    def container(self, tag: Tag, port: int | None, **options: Any) -> Iterator[Container]:
        """A running container whose port 8321 is `port` of the engine's loopback (None: any that is free).

        `options` are the docker SDK's. The container is removed afterwards.
        """
        made: Container | None = None
        try:
            try:
                with ending.held():  # else a signal could leave a container that nobody knows of
                    ports: Any = {PORT: ("127.0.0.1", port)}
                    made = self._client.containers.create(str(tag), ports=ports, **options)
                made.start()
            except DockerException as error:
                raise KitError(f"the engine at {self.address} did not start {tag}: {_said(error)}") from error
            yield made
        finally:
            if made:
                with suppress(APIError):
                    made.remove(force=True, v=True)


def find() -> Engine | None:
    """The engine that DOCKER_HOST names, or the first of Docker's and Podman's usual sockets that answers.

    A DOCKER_HOST that does not answer is an error: the user asked for that one.
    """
    named = os.environ.get("DOCKER_HOST")
    for address in [named] if named else _usual_addresses():
        try:
            docker.DockerClient(base_url=address, timeout=_ANSWER_SECONDS).close()  # it asks for the version
            return Engine(docker.DockerClient(base_url=address, timeout=_WORK_SECONDS), address)
        except (DockerException, OSError) as error:
            if named:
                raise UnreachableError(
                    f"DOCKER_HOST={named}: no engine answers ({_said(error)})",
                    "start it, or unset DOCKER_HOST",
                ) from error
    return None


def find_or_warn(consequence: str) -> Engine | None:
    """As `find`, for what can do without an engine: if DOCKER_HOST names one that does not answer, a warning says so.

    `consequence` is what is not done then.
    """
    try:
        return find()
    except UnreachableError as error:
        progress.warn(f"{error.message}; {consequence}")
        return None


def published_port(container: Container) -> int | None:
    """The host port of a container's port 8321; None once it has stopped."""
    container.reload()
    bindings = container.ports.get(PORT)
    return int(bindings[0]["HostPort"]) if bindings else None


def _usual_addresses() -> list[str]:
    if os.name == "nt":
        return ["npipe:////./pipe/docker_engine"]
    runtime = os.environ.get("XDG_RUNTIME_DIR", "/run")
    sockets = ["/var/run/docker.sock"]
    if home := paths.home():
        sockets.append(f"{home}/.docker/run/docker.sock")
    sockets += [f"{runtime}/docker.sock", f"{runtime}/podman/podman.sock", "/run/podman/podman.sock"]
    return [f"unix://{socket}" for socket in dict.fromkeys(sockets) if os.path.exists(socket)]


def _said(error: Exception) -> str:
    """What the engine said, without the SDK's wrapping."""
    return str(getattr(error, "explanation", None) or error)
