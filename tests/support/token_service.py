"""A service that takes a user's name for the user's token, as authentication of type `custom` asks it."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from tests.support import http_server
from tests.support.process import LOOPBACK


@contextmanager
def serve(users: Mapping[str, Mapping[str, list[str]]]) -> Iterator[dict[str, Any]]:
    """Serve those users, with their attributes; yields `server.auth.provider_config` of a run config."""

    class Answer(http_server.Handler):
        def do_POST(self) -> None:
            user = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["api_key"]
            self.send_response(200 if user in users else 401)
            self.end_headers()
            self.wfile.write(json.dumps({"principal": user, "attributes": users.get(user)}).encode())

    with http_server.serving(Answer) as port:
        yield {"type": "custom", "endpoint": f"http://{LOOPBACK}:{port}/validate"}
