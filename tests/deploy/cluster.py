"""An API server that Helm can talk to: it says which APIs there are, keeps objects, and ends Jobs as it is told.

It has no controllers and runs nothing. What it is for is Helm's own part: what is asked before anything is rendered,
and what is written, in which order, when a hook succeeds or fails.
"""

import json
import queue
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

import yaml

from tests.support import http_server

KINDS = {
    "v1": ("ConfigMap", "Service", "ServiceAccount", "PersistentVolumeClaim", "Pod", "Event"),
    "apps/v1": ("Deployment",),
    "batch/v1": ("Job",),
}
OPENSHIFT = "security.openshift.io/v1"
_OBJECT = re.compile(r"^(?:/api|/apis)/(?P<api>.+)/namespaces/[^/]+/(?P<kind>[a-z]+)(?:/(?P<name>[^/]+))?$")
_NOT_FOUND = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404}


class Cluster:
    """What was written, and how Jobs end."""

    def __init__(self, *more_apis: str) -> None:
        self.jobs_succeed = True
        self.writes: list[tuple[str, str, str]] = []
        self.address = ""
        self._documents = _documents([*KINDS, *more_apis])
        # Every namespace has this one from its beginning.
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": "ai"}}
        self._objects: dict[tuple[str, str], dict[str, Any]] = {("serviceaccounts", "default"): account}
        self._watchers: list[tuple[str, queue.Queue[dict[str, Any]]]] = []
        self._version = 0
        self._lock = threading.Lock()

    def objects(self, kind: str) -> list[dict[str, Any]]:
        """The objects of a kind that are there now."""
        return [item for (found, _), item in sorted(self._objects.items()) if found == f"{kind.lower()}s"]

    def document(self, path: str) -> dict[str, Any] | None:
        """A document of discovery."""
        return self._documents.get(path)

    def read(self, kind: str, name: str | None) -> dict[str, Any] | None:
        """An object, or the list of all of a kind."""
        with self._lock:
            if name:
                return self._objects.get((kind, name))
            items = [item for (found, _), item in self._objects.items() if found == kind]
            version = {"resourceVersion": str(self._version)}
            return {"kind": "List", "apiVersion": "v1", "metadata": version, "items": items}

    def write(self, method: str, kind: str, name: str | None, item: dict[str, Any]) -> dict[str, Any]:
        """Create an object or put another in its place."""
        name = name or item["metadata"]["name"]
        with self._lock:
            known = (kind, name) in self._objects
            self._version += 1
            metadata = {"uid": f"{kind}-{name}", "generation": 1, "resourceVersion": str(self._version)}
            item = {**item, "metadata": {**item["metadata"], **metadata}}
            if kind == "jobs":
                condition = "Complete" if self.jobs_succeed else "Failed"
                item["status"] = {"conditions": [{"type": condition, "status": "True"}]}
            self._objects[kind, name] = item
            self._tell(kind, "MODIFIED" if known else "ADDED", item)
            self.writes.append((method, kind, name))
        return item

    def delete(self, kind: str, name: str) -> dict[str, Any] | None:
        """Remove an object."""
        with self._lock:
            if item := self._objects.pop((kind, name), None):
                self._tell(kind, "DELETED", item)
                self.writes.append(("DELETE", kind, name))
            return item

    @contextmanager
    def watch(self, api: str, kind: str, *, from_the_start: bool) -> Iterator[queue.Queue[dict[str, Any]]]:
        """What happens to objects of a kind; `from_the_start`: those that are there come first, then a mark."""
        changes: queue.Queue[dict[str, Any]] = queue.Queue()
        with self._lock:
            self._watchers.append((kind, changes))
            if from_the_start:
                for (found, _), item in self._objects.items():
                    if found == kind:
                        changes.put({"type": "ADDED", "object": item})
                metadata = {"resourceVersion": str(self._version), "annotations": {"k8s.io/initial-events-end": "true"}}
                (name,) = [known for known in KINDS[api] if f"{known.lower()}s" == kind]
                mark = {"kind": name, "apiVersion": api, "metadata": metadata}
                changes.put({"type": "BOOKMARK", "object": mark})
        try:
            yield changes
        finally:
            with self._lock:
                self._watchers.remove((kind, changes))

    def _tell(self, kind: str, change: str, item: dict[str, Any]) -> None:
        for watched, changes in self._watchers:
            if watched == kind:
                changes.put({"type": change, "object": item})


@contextmanager
def serve(*more_apis: str) -> Iterator[Cluster]:
    """Serve an empty cluster until the block ends."""
    cluster = Cluster(*more_apis)
    stopping = threading.Event()

    class Answer(http_server.Handler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            url = urlsplit(self.path)
            if not (asked := _OBJECT.match(url.path)):
                self._answer(cluster.document(url.path))
            elif "watch" in (query := parse_qs(url.query)):
                self._stream(asked["api"], asked["kind"], from_the_start="sendInitialEvents" in query)
            else:
                self._answer(cluster.read(asked["kind"], asked["name"]))

        def do_POST(self) -> None:
            self._write()

        def do_PATCH(self) -> None:
            self._write()

        def do_PUT(self) -> None:
            self._write()

        def do_DELETE(self) -> None:
            self._body()
            asked = _OBJECT.match(urlsplit(self.path).path)
            self._answer(cluster.delete(asked["kind"], asked["name"]) if asked else None)

        def _write(self) -> None:
            asked, item = _OBJECT.match(urlsplit(self.path).path), yaml.safe_load(self._body())
            self._answer(cluster.write(self.command, asked["kind"], asked["name"], item) if asked else None)

        def _body(self) -> bytes:
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))

        def _answer(self, document: dict[str, Any] | None) -> None:
            body = json.dumps(document or _NOT_FOUND).encode()
            self.send_response(200 if document else 404)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def _stream(self, api: str, kind: str, *, from_the_start: bool) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Connection", "close")
            self.end_headers()
            self.close_connection = True
            with cluster.watch(api, kind, from_the_start=from_the_start) as changes:
                while not stopping.is_set():
                    try:
                        self.wfile.write(json.dumps(changes.get(timeout=0.1)).encode() + b"\n")
                    except queue.Empty:
                        continue
                    except OSError:
                        return

    with http_server.serving(Answer) as port:
        cluster.address = f"http://127.0.0.1:{port}"
        try:
            yield cluster
        finally:
            stopping.set()


# Says that the server validates fields by itself, so that Helm does not ask for schemas.
_PATCHES = {
    "openapi": "3.0.0",
    "info": {"title": "patches", "version": "1"},
    "paths": {
        f"/{kind}": {
            "patch": {
                "parameters": [{"name": "fieldValidation", "in": "query"}],
                "responses": {},
                "x-kubernetes-group-version-kind": {
                    "group": api.rpartition("/")[0],
                    "version": api.rpartition("/")[2],
                    "kind": kind,
                },
            }
        }
        for api, kinds in KINDS.items()
        for kind in kinds
    },
}


def _documents(apis: list[str]) -> dict[str, dict[str, Any]]:
    groups = []
    documents: dict[str, dict[str, Any]] = {
        "/version": {"major": "1", "minor": "31", "gitVersion": "v1.31.0"},
        "/api": {"kind": "APIVersions", "versions": ["v1"]},
        "/api/v1/namespaces/ai": {"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": "ai"}},
    }
    for api in apis:
        verbs = ["get", "list", "watch", "create", "patch", "update", "delete"]
        resources = [
            {"name": f"{kind.lower()}s", "kind": kind, "namespaced": True, "verbs": verbs}
            for kind in KINDS.get(api, ())
        ]
        path = f"/api/{api}" if api == "v1" else f"/apis/{api}"
        documents[path] = {"kind": "APIResourceList", "groupVersion": api, "resources": resources}
        if api != "v1":
            group, _, version = api.partition("/")
            versions = [{"groupVersion": api, "version": version}]
            groups.append({"name": group, "versions": versions, "preferredVersion": versions[0]})
    paths = {path.removeprefix("/"): {"serverRelativeURL": "/openapi/patches"} for path in documents}
    documents["/openapi/v3"] = {"paths": paths}
    documents["/openapi/patches"] = _PATCHES
    documents["/apis"] = {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}
    return documents
