"""Clients that read slowly, leave, or come by the hundred: nothing is kept for them, and the service is told."""

import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pytest
import requests

from tests.support import faulty_backend
from tests.support.faulty_backend import MODEL, TEXT, FaultyBackend
from tests.support.raw_client import connected, leave, read_all, read_until, request
from tests.support.resources import Meter, forget_most_resident, most_resident_megabytes, resident_megabytes
from tests.support.run_configs import run_config, vllm_provider
from tests.support.stack_server import StackServer, serve

CHAT = "/v1/chat/completions"
WITHIN_A_SECOND = 1.0
"""How long a service may go on for nobody."""
LARGE = 64 << 20
MOST_MEGABYTES = 24
"""What a slow reader may cost, of a stream of 64 MB."""
TRACES_OF_TROUBLE = ("Traceback", "was never retrieved", "was destroyed", "was never awaited", "ASGI callable")


@dataclass(frozen=True)
class Served:
    """A server in front of a backend, and what measures it."""

    stack: StackServer
    backend: FaultyBackend
    meter: Meter

    def request(self, order: str, **more: Any) -> bytes:
        """A chat request that tells the backend what to do."""
        return request(
            CHAT, {"model": f"vllm/{MODEL}", "messages": [{"role": "user", "content": f"do: {order}"}], **more}
        )

    def answers(self) -> bool:
        """Whether it answers as it should."""
        with connected(self.stack.url) as client:
            client.sendall(self.request("well"))
            return TEXT.encode() in read_until(client, b"}]")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    directory = tmp_path_factory.mktemp("clients")
    meter = Meter(directory)
    with faulty_backend.serve() as backend:
        config = run_config(directory, {"inference": [vllm_provider("vllm", backend.url)]})
        with serve(config, env=meter.environment) as stack:
            yield Served(stack, backend, meter)


@pytest.fixture(autouse=True)
def _no_trouble(served: Served) -> Iterator[None]:
    yield
    log = " ".join(served.stack.program.log.read_text().split())
    assert not [word for word in TRACES_OF_TROUBLE if word in log]


def until(check: Callable[[], bool], seconds: float) -> bool:
    """Whether something comes to hold in time."""
    deadline = time.monotonic() + seconds
    while not (holds := check()) and time.monotonic() < deadline:
        time.sleep(0.01)
    return holds


def settles(number: Callable[[], int]) -> int:
    """A number once it has stopped to grow."""
    before = -1
    while (now := number()) != before:
        before = now
        time.sleep(0.5)
    return now


def test_a_slow_reader_has_the_service_wait(served: Served) -> None:
    assert served.answers()
    memory = resident_megabytes(served.stack.program)
    forget_most_resident(served.stack.program)
    with connected(served.stack.url, receives=1 << 16) as client:
        client.sendall(served.request("large pieces", stream=True))
        assert read_until(client, b"\r\n\r\n").startswith(b"HTTP/1.1 200")
        sent = settles(lambda: served.backend.sent)
        assert 0 < sent < LARGE / 4
        assert served.answers()

        received = 0
        while part := client.recv(1 << 20):
            received += len(part)
            if part.endswith(b"0\r\n\r\n"):
                break

    assert received > LARGE
    assert most_resident_megabytes(served.stack.program) < memory + MOST_MEGABYTES


@pytest.mark.parametrize("order", ["for ever", "hang in the middle", "large pieces"])
@pytest.mark.parametrize("leaves", [socket.socket.close, leave])
def test_a_stream_ends_with_its_client(served: Served, order: str, leaves: Callable[[socket.socket], None]) -> None:
    hung_up = served.backend.hung_up
    with connected(served.stack.url) as client:
        client.sendall(served.request(order, stream=True))
        read_until(client, b"data: ")
        time.sleep(0.2)  # for what watches whether a client is still there
        leaves(client)

    assert until(lambda: served.backend.hung_up == hung_up + 1, WITHIN_A_SECOND)
    assert served.answers()


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("order", ["hang", "hang in the middle", "error for ever"])
def test_a_request_ends_with_its_client(served: Served, order: str, stream: bool) -> None:
    asked, hung_up = len(served.backend.asked), served.backend.hung_up
    with connected(served.stack.url) as client:
        client.sendall(served.request(order, stream=stream))
        assert until(lambda: len(served.backend.asked) > asked, 10)

    assert until(lambda: served.backend.hung_up > hung_up, WITHIN_A_SECOND)
    assert served.answers()


def test_a_body_that_does_not_come(served: Served) -> None:
    asked = len(served.backend.asked)
    before = served.meter.read(served.stack.program)
    for _ in range(20):
        with connected(served.stack.url) as client:
            client.sendall(served.request("well")[:-5])
            time.sleep(0.01)

    assert until(lambda: served.meter.read(served.stack.program).is_within(before), 10)
    assert len(served.backend.asked) == asked
    assert served.answers()


def test_half_a_thousand_that_come_and_leave(served: Served) -> None:
    def come(number: int) -> None:
        with connected(served.stack.url) as client:
            order = ("hang", "well", "for ever", "hang in the middle")[number % 4]
            client.sendall(served.request(order, stream=number % 3 == 0)[: None if number % 5 else 100])
            if number % 2:
                client.settimeout(0.1)
                with suppress(TimeoutError):
                    client.recv(1000)
            if number % 7 == 0:
                leave(client)

    def settled() -> Any:
        served.backend.hang_up_idle()
        return served.meter.read(served.stack.program)

    with ThreadPoolExecutor(50) as pool:
        list(pool.map(come, range(100)))
        assert until(lambda: served.backend.connections <= 50, 10)
        before, memory = settled(), resident_megabytes(served.stack.program)
        list(pool.map(come, range(500)))

    assert until(lambda: settled().is_within(before) and not served.backend.connections, 20), (settled(), before)
    assert resident_megabytes(served.stack.program) < memory + MOST_MEGABYTES
    assert requests.get(f"{served.stack.url}/v1/health", timeout=10).status_code == 200
    assert served.answers()


def test_answers_on_one_connection_are_in_the_order_of_the_requests(served: Served) -> None:
    with connected(served.stack.url) as client:
        client.sendall(
            served.request("slowly") + served.request("status 404") + request("/v1/nowhere", {}, "Connection: close")
        )
        answers = read_all(client)

    assert [part[:3] for part in answers.split(b"HTTP/1.1 ")[1:]] == [b"200", b"404", b"404"]
    assert b"refused with 404" in answers
