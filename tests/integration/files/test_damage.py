"""Contents that change or vanish behind the provider's back."""

import os
from collections.abc import Callable, Iterator

import httpx
import pytest

from tests.integration.files import web
from tests.integration.files.places import Place
from tests.integration.files.serving import Home
from tests.integration.files.waiting import wait_until
from tests.support.stack_server import StackServer

CONTENT = os.urandom((6 << 20) + 5)


@pytest.fixture
def file_id(stack: StackServer) -> Iterator[str]:
    """A file of some blocks."""
    made = stack.openai.files.create(file=("data.bin", CONTENT), purpose="assistants").id
    yield made
    stack.openai.files.delete(made)


def test_a_changed_content_is_never_sent_to_its_end(stack: StackServer, place: Place, file_id: str) -> None:
    place.overwrite(file_id, CONTENT[:-1] + bytes([CONTENT[-1] ^ 1]))
    received = bytearray()
    with (
        pytest.raises(httpx.RemoteProtocolError),
        web.stream("GET", f"{stack.url}/v1/files/{file_id}/content") as response,
    ):
        for piece in response.iter_bytes():
            received += piece
    assert len(received) < len(CONTENT)


@pytest.mark.parametrize("spoil", [lambda content: content[:-1], lambda content: content + b"x", lambda _: b""])
def test_a_content_of_another_length_is_an_error(
    stack: StackServer, place: Place, file_id: str, spoil: Callable[[bytes], bytes]
) -> None:
    place.overwrite(file_id, spoil(CONTENT))
    response = web.get(f"{stack.url}/v1/files/{file_id}/content")
    assert response.status_code == 500
    assert f"'{file_id}' is damaged in storage: wrong length" in response.json()["detail"]


def test_a_lost_content_is_an_error_and_the_file_stays(stack: StackServer, place: Place, file_id: str) -> None:
    place.lose(file_id)
    response = web.get(f"{stack.url}/v1/files/{file_id}/content")
    assert response.status_code == 500
    assert "damaged in storage: missing" in response.json()["detail"]
    assert stack.openai.files.retrieve(file_id).bytes == len(CONTENT)


def test_damage_is_found_by_scrubbing_told_and_forgotten_when_repaired(home: Home) -> None:
    with home.serve(scrub_days=1e-6, sweep_interval_secs=0.2) as server:
        file_id = server.openai.files.create(file=("data.bin", CONTENT), purpose="assistants").id
        home.place.overwrite(file_id, CONTENT[::-1])
        wait_until(lambda: _health(server)["status"] == "Error")
        assert file_id in _health(server)["message"]
        home.place.overwrite(file_id, CONTENT)
        wait_until(lambda: _health(server)["status"] == "OK")


def _health(server: StackServer) -> dict[str, str]:
    (provider,) = web.get(f"{server.url}/v1/providers").json()["data"]
    health: dict[str, str] = provider["health"]
    return health
