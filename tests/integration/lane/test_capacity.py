"""Ten times as many clients as the server can serve: each is answered or refused, and probes are answered."""

import asyncio
import re
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests

from distribution.logs.access import PROBES
from distribution.overlay.capacity import ACCEPTED_IN_A_TURN
from tests.support import faulty_backend
from tests.support.faulty_backend import MODEL
from tests.support.process import LOOPBACK
from tests.support.raw_client import request
from tests.support.resources import most_resident_megabytes, resident_megabytes
from tests.support.run_configs import run_config, vllm_provider
from tests.support.stack_server import StackServer, serve

CHAT = "/v1/chat/completions"
CLIENTS = 640
SECONDS = 4.0
MOST = 8
MOST_MEGABYTES = 64
"""What 640 requests at once may cost: a tenth of a megabyte each."""


def body(order: str) -> dict[str, Any]:
    return {"model": f"vllm/{MODEL}", "messages": [{"role": "user", "content": f"do: {order}"}]}


def test_what_goes_beyond_the_limit_is_refused(tmp_path: Path) -> None:
    with (
        faulty_backend.serve() as backend,
        serve(
            run_config(tmp_path, {"inference": [vllm_provider("vllm", backend.url)]}),
            env={"MAX_CONCURRENT_REQUESTS": str(MOST), "BACKEND_ANSWER_SECONDS": "3"},
        ) as stack,
        ThreadPoolExecutor(MOST) as pool,
    ):

        def chat(order: str = "well") -> requests.Response:
            return requests.post(f"{stack.url}{CHAT}", json=body(order), timeout=30)

        hanging = [pool.submit(chat, "hang") for _ in range(MOST)]
        stack.program.wait_until(lambda: len(backend.asked) == MOST, timeout=10)
        refused = [chat() for _ in range(20)]

        assert {answer.status_code for answer in refused} == {503}
        assert refused[0].headers["retry-after"] == "1"
        assert refused[0].headers["x-content-type-options"] == "nosniff"
        error = refused[0].json()["error"]
        assert (error["type"], error["code"]) == ("server_error", 503)
        for path in PROBES:
            assert requests.get(f"{stack.url}{path}", timeout=10).status_code == 200

        assert {one.result().status_code for one in hanging} == {504}
        assert chat().status_code == 200
        log = " ".join(stack.program.log.read_text().split())
        assert re.findall(r"(\d+) requests were refused: (\d+) are here", log)
        assert sum(int(number) for number in re.findall(r"(\d+) requests were refused", log)) == 20


def test_a_crowd(tmp_path: Path) -> None:
    with faulty_backend.serve() as backend:
        config = run_config(tmp_path, {"inference": [vllm_provider("vllm", backend.url)]})
        with serve(config) as stack:
            memory = resident_megabytes(stack.program)
            statuses, probed = asyncio.run(_crowd(stack))
            with_retry_after = statuses.pop("503 with Retry-After", 0)

            assert statuses.keys() == {"200"}, (statuses, with_retry_after)
            assert statuses["200"] + with_retry_after >= CLIENTS
            assert probed.keys() == {"200"}
            assert most_resident_megabytes(stack.program) < memory + MOST_MEGABYTES
            log = " ".join(stack.program.log.read_text().split())
            assert log.count("requests were refused") <= SECONDS * 2
            assert requests.post(f"{stack.url}{CHAT}", json=body("well"), timeout=30).status_code == 200


async def _crowd(stack: StackServer) -> tuple[Counter[str], Counter[str]]:
    """Let clients ask as fast as they are answered; return what they and probes are answered, and how often."""
    place = urlsplit(stack.url)
    statuses: Counter[str] = Counter()
    probed: Counter[str] = Counter()
    end = asyncio.get_running_loop().time() + SECONDS
    asked = request(CHAT, body("well"))

    async def client() -> None:
        reader, writer = await asyncio.open_connection(place.hostname, place.port)
        while asyncio.get_running_loop().time() < end:
            statuses[await _exchange(reader, writer, asked)] += 1
        writer.close()

    async def probe(path: str) -> None:
        while asyncio.get_running_loop().time() < end:
            reader, writer = await asyncio.open_connection(place.hostname, place.port)
            probed[await _exchange(reader, writer, f"GET {path} HTTP/1.1\r\nHost: test\r\n\r\n".encode())] += 1
            writer.close()

    await asyncio.gather(*(client() for _ in range(CLIENTS)), *map(probe, PROBES))
    return statuses, probed


async def _exchange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, asked: bytes) -> str:
    writer.write(asked)
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    length = re.search(r"content-length: (\d+)", head)
    assert length, head
    await reader.readexactly(int(length[1]))
    status = head.split()[1]
    return f"{status} with Retry-After" if "retry-after: 1\r\n" in head else status


def test_connections_are_accepted_several_at_a_time(tmp_path: Path) -> None:
    with serve(run_config(tmp_path, {})) as stack:
        port = f"{int(stack.url.rpartition(':')[2]):04X}"
        lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        [socket] = [f"socket:[{one[9]}]" for one in lines if one[1].endswith(f":{port}") and one[3] == "0A"]
        links = [str(link.readlink()) for link in Path(f"/proc/{stack.program.process.pid}/fd").iterdir()]

        assert links.count(socket) == ACCEPTED_IN_A_TURN
        assert stack.url.startswith(f"http://{LOOPBACK}")
