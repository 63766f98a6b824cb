"""Pods on Podman, as a kubelet runs them on a node.

What Podman knows nothing of is done here: termination messages, and that nothing is published on the host.
"""

import base64
import json
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.podman import Podman

NOT_PODMANS = ("ports", "startupProbe", "readinessProbe", "livenessProbe", "lifecycle")
MESSAGE = "/dev/termination-log"


@dataclass(frozen=True)
class RunningPod:
    """A pod that was started; it may have ended."""

    podman: Podman
    name: str
    container: str
    manifest: Path
    message: Path
    output: str

    @property
    def address(self) -> str:
        """Its IP address."""
        infra = self._inspect("pod", self.name)["InfraContainerID"]
        networks = self._inspect("container", infra)["NetworkSettings"]["Networks"].values()
        return str(next(iter(networks))["IPAddress"])

    @property
    def exit_code(self) -> int | None:
        """The exit code of its container; None while it runs or has not been started."""
        state = self._inspect("container", f"{self.name}-{self.container}")["State"]
        return int(state["ExitCode"]) if state["Status"] == "exited" else None

    @property
    def termination_message(self) -> str:
        """What `kubectl describe pod` shows of its end."""
        return self.message.read_text(encoding="utf-8")

    def wait(self, seconds: float = 120) -> int:
        """Wait for its end and return the exit code."""
        deadline = time.monotonic() + seconds
        while (code := self.exit_code) is None:
            assert time.monotonic() < deadline, f"{self.name} does not end:\n{self.logs()}"
            time.sleep(0.2)
        return code

    def logs(self, container: str | None = None) -> str:
        """What a container has printed."""
        done = self.podman.run("logs", f"{self.name}-{container or self.container}", check=False)
        return done.stdout + done.stderr

    def run(self, *command: str) -> str:
        """Run a command in its container and return what it prints."""
        done = self.podman.run("exec", f"{self.name}-{self.container}", *command, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def restart(self) -> None:
        """Start it anew from the same manifest, as on another node."""
        done = self.podman.run("kube", "play", "--replace", self.manifest, check=False)
        assert done.returncode == 0, done.stderr

    def _inspect(self, kind: str, name: str) -> dict[str, Any]:
        done = self.podman.run(kind, "inspect", name, check=False)
        assert done.returncode == 0, f"{done.stderr}\n{self.output}"
        found = json.loads(done.stdout)
        result: dict[str, Any] = found[0] if isinstance(found, list) else found
        return result


@contextmanager
def play(
    podman: Podman,
    name: str,
    template: dict[str, Any],
    others: Iterable[dict[str, Any]] = (),
    *,
    uid: int | None = None,
) -> Iterator[RunningPod]:
    """Run a pod from the template of a Deployment or Job, with the ConfigMaps, Secrets and claims it needs.

    `uid` is the one that OpenShift's admission writes into pods that name none.
    """
    message = podman.directory / f"{name}.message"
    message.touch()
    message.chmod(0o666)
    pod = _pod(name, template, message, uid)
    others = list(others)
    for volume in pod["spec"]["volumes"]:
        if secret := volume.pop("secret", None):
            folder = _laid_out(podman.directory / f"{name}.{volume['name']}", secret["secretName"], others)
            volume["hostPath"] = {"path": str(folder), "type": "Directory"}
    # A claim that is bound already is left alone.
    others = [other for other in others if not (_is_claim(other) and _exists(podman, other["metadata"]["name"]))]
    manifest = podman.directory / f"{name}.yaml"
    _write(manifest, [*others, pod])
    done = podman.run("kube", "play", manifest, check=False)
    _write(manifest, [*(other for other in others if not _is_claim(other)), pod])  # for when it is started anew
    try:
        container = pod["spec"]["containers"][0]["name"]
        yield RunningPod(podman, name, container, manifest, message, done.stdout + done.stderr)
    finally:
        podman.run("pod", "rm", "--force", "--time", "0", name)
        for volume in pod["spec"]["volumes"]:
            podman.run("volume", "rm", _volume(volume), check=False)
        for other in others:
            if other["kind"] == "Secret":
                podman.run("secret", "rm", other["metadata"]["name"], check=False)


def _laid_out(folder: Path, secret: str, objects: Iterable[dict[str, Any]]) -> Path:
    """Write the files of a Secret: Podman 4.3 mounts them as they are in the manifest, in base64."""
    folder.mkdir(exist_ok=True)
    for found in objects:
        if found["kind"] == "Secret" and found["metadata"]["name"] == secret:
            for key, value in found["data"].items():
                (folder / key).write_bytes(base64.b64decode(value))
                (folder / key).chmod(0o644)
    return folder


def _write(manifest: Path, items: Iterable[dict[str, Any]]) -> None:
    # JSON is YAML too, and the one that Podman's splitter of documents reads right whatever is in a text.
    manifest.write_text("\n---\n".join(json.dumps(item) for item in items), encoding="utf-8")


def _is_claim(item: dict[str, Any]) -> bool:
    return bool(item["kind"] == "PersistentVolumeClaim")


def _exists(podman: Podman, volume: str) -> bool:
    return podman.run("volume", "exists", volume, check=False).returncode == 0


def _volume(volume: dict[str, Any]) -> str:
    """What Podman calls a pod's volume that is not to outlive it; nothing for a claim."""
    if "persistentVolumeClaim" in volume:
        return ""
    return str(volume["configMap"]["name"] if "configMap" in volume else volume["name"])


def _pod(name: str, template: dict[str, Any], message: Path, uid: int | None) -> dict[str, Any]:
    spec = deepcopy(template["spec"])
    spec["restartPolicy"] = "Never"
    for entry in _containers(spec):
        for field in NOT_PODMANS:
            entry.pop(field, None)
        if uid is not None:
            assert "runAsUser" not in spec["securityContext"], "restricted-v2 refuses a uid of the pod's own"
            entry["securityContext"]["runAsUser"] = uid
    # Podman's emptyDirs go by their name alone, so that pods would share them.
    own = {volume["name"] for volume in spec["volumes"] if "emptyDir" in volume}
    mounts = [mount for entry in _containers(spec) for mount in entry["volumeMounts"]]
    for named in [*spec["volumes"], *mounts]:
        if named["name"] in own:
            named["name"] = f"{name}-{named['name']}"
    spec["containers"][0]["volumeMounts"].append({"name": "message", "mountPath": MESSAGE})
    spec["volumes"].append({"name": "message", "hostPath": {"path": str(message), "type": "File"}})
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}


def _containers(spec: dict[str, Any]) -> list[dict[str, Any]]:
    return [*spec["containers"], *spec.get("initContainers", [])]
