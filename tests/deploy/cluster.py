"""An API server that knows which APIs there are, and nothing else: what Helm asks before it renders."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KINDS = {
    "v1": ("ConfigMap", "Service", "ServiceAccount", "PersistentVolumeClaim"),
    "apps/v1": ("Deployment",),
    "batch/v1": ("Job",),
}
OPENSHIFT = "security.openshift.io/v1"


@contextmanager
def serve(*more_apis: str) -> Iterator[str]:
    """Serve discovery until the block ends; returns the address."""
    documents = _documents([*KINDS, *more_apis])

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            document = documents.get(self.path.partition("?")[0])
            body = json.dumps(document or _NOT_FOUND).encode()
            self.send_response(200 if document else 404)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: Any) -> None:
            """Stay silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


_NOT_FOUND = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404}

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
    }
    for api in apis:
        resources = [
            {"name": f"{kind.lower()}s", "kind": kind, "namespaced": True, "verbs": ["get", "create"]}
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
