"""Several servers that share contents and rows."""

import signal
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from openai import NotFoundError

from tests.integration.files import web
from tests.integration.files.conftest import make_home
from tests.integration.files.serving import Home
from tests.integration.files.waiting import wait_until
from tests.support.stack_server import StackServer

ABANDONED_AFTER_SECS = 3
BOUNDARY = "xyz"
# More than one part of a multipart upload, so that something is there to be swept.
CONTENT = bytes(6 << 20)


@pytest.fixture(scope="module")
def shared(kind: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """What the replicas share."""
    return make_home(kind, request, tmp_path_factory)


@pytest.fixture(scope="module")
def replicas(shared: Home) -> Iterator[tuple[StackServer, StackServer]]:
    """Two servers that soon take an upload for dead."""
    options: dict[str, Any] = {"abandoned_after_secs": ABANDONED_AFTER_SECS, "sweep_interval_secs": 0.2}
    with shared.serve(**options) as one, shared.serve(**options) as other:
        yield one, other


class SlowUpload:
    """An upload that stops in the middle until it is told to go on."""

    def __init__(self, server: StackServer) -> None:
        self._go_on = threading.Event()
        self._executor = ThreadPoolExecutor(1)
        self._response = self._executor.submit(self._post, f"{server.url}/v1/files")

    def finish(self) -> httpx.Response:
        """Send the rest and return the answer."""
        self._go_on.set()
        return self._response.result()

    def _post(self, url: str) -> httpx.Response:
        content_type = f"multipart/form-data; boundary={BOUNDARY}"
        return web.post(url, content=self._body(), headers={"Content-Type": content_type})

    def _body(self) -> Iterator[bytes]:
        yield f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n'.encode()
        yield CONTENT
        self._go_on.wait()
        yield f'end\r\n--{BOUNDARY}\r\nContent-Disposition: form-data; name="purpose"\r\n\r\n'.encode()
        yield f"assistants\r\n--{BOUNDARY}--\r\n".encode()


def test_replicas_see_the_same_files(replicas: tuple[StackServer, StackServer]) -> None:
    one, other = (replica.openai.files for replica in replicas)
    made = one.create(file=("f", b"content"), purpose="assistants").id
    assert other.content(made).read() == b"content"
    other.delete(made)
    with pytest.raises(NotFoundError):
        one.retrieve(made)


def test_a_file_is_removed_once(shared: Home, replicas: tuple[StackServer, StackServer]) -> None:
    def removes(replica: StackServer, file_id: str) -> bool:
        try:
            return replica.openai.files.delete(file_id).deleted
        except NotFoundError:
            return False

    made = [replicas[0].openai.files.create(file=("f", b"x"), purpose="assistants").id for _ in range(10)]
    with ThreadPoolExecutor(2) as executor:
        pairs: list[tuple[Future[bool], ...]] = [
            tuple(executor.submit(removes, replica, file_id) for replica in replicas) for file_id in made
        ]
        outcomes = [sorted(outcome.result() for outcome in pair) for pair in pairs]
    assert outcomes == [[False, True]] * len(made)
    assert not shared.place.objects()


def test_a_slow_upload_is_not_taken_for_dead(shared: Home, replicas: tuple[StackServer, StackServer]) -> None:
    one, other = replicas
    upload = SlowUpload(one)
    wait_until(lambda: bool(shared.place.unfinished()))
    threading.Event().wait(2 * ABANDONED_AFTER_SECS)
    file = upload.finish().json()
    assert other.openai.files.content(file["id"]).read() == CONTENT + b"end"
    one.openai.files.delete(file["id"])


def test_an_upload_whose_server_stood_still_is_swept_and_stays_so(
    shared: Home, replicas: tuple[StackServer, StackServer]
) -> None:
    one, other = replicas
    upload = SlowUpload(one)
    wait_until(lambda: bool(shared.place.unfinished()))
    one.program.process.send_signal(signal.SIGSTOP)
    wait_until(lambda: not shared.place.unfinished())
    one.program.process.send_signal(signal.SIGCONT)
    response = upload.finish()
    assert response.status_code == 503
    assert not shared.place.objects()
    assert list(other.openai.files.list()) == []
