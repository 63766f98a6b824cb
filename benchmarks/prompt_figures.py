"""What the prompts API does in a second, and how long others wait meanwhile."""

import argparse
import asyncio
import logging
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import httpx
import yaml

from benchmarks.report import Conditions, Figure, show
from tests.support.process import LOOPBACK, answers, free_port, running, scratch
from tests.support.run_configs import PROMPTS, Providers, run_config
from tests.support.stack_server import ROOT

CLIENTS = 8
LISTS = 10
TEMPLATE = {"prompt": "Summarize {{ text }} for {{ reader }}. " + 20 * "Be brief. ", "variables": ["text", "reader"]}
# A load that either server carries with ease, for the waiting time of others.
SECONDS = 10
REQUESTS_PER_SECOND = 10
PAUSE = 0.005  # seconds between two questions for the server's health


def run(arguments: Sequence[str]) -> None:
    """Measure both, one after the other, and print the figures."""
    parser = argparse.ArgumentParser(prog="benchmarks/prompts.py", description=__doc__)
    parser.add_argument("--prompts", type=int, default=300, metavar="N", help="how many there are (default: 300)")
    parser.add_argument("--json", action="store_true", help="as JSON")
    options = parser.parse_args(arguments)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    conditions = Conditions()
    with _ours() as url:
        ours = asyncio.run(_measure(url, options.prompts))
    with _stock() as url:
        stock = asyncio.run(_measure(url, options.prompts))
    figures = [Figure(name, unit, value, stock[name, unit]) for (name, unit), value in ours.items()]
    show(f"Prompts in SQLite, {CLIENTS} clients", figures, conditions, as_json=options.json)


def _ours() -> AbstractContextManager[str]:
    return _served({"inference": [], "prompts": [PROMPTS]}, ["distribution"])


def _stock() -> AbstractContextManager[str]:
    # Straight from upstream's package, which knows nothing of ours: its built-in service has the prompts.
    return _served({"inference": []}, ["uvicorn", "llama_stack.core.server.server:create_app", "--factory"])


@contextmanager
def _served(providers: Providers, module: list[str]) -> Iterator[str]:
    """Serve with a module of this Python, on a new SQLite file; yields the address."""
    port = free_port()
    with scratch("prompts") as directory:
        config = directory / "run.yaml"
        config.write_text(yaml.safe_dump(run_config(directory, providers, server={"host": LOOPBACK})))
        with running(
            [sys.executable, "-m", *module, "--port", str(port)],
            log=directory / "log",
            ready=lambda: answers(f"http://{LOOPBACK}:{port}/v1/health"),
            env={"LLAMA_STACK_CONFIG": str(config), "PYTHONPATH": str(ROOT)},
        ):
            yield f"http://{LOOPBACK}:{port}"


async def _measure(url: str, count: int) -> dict[tuple[str, str], float]:
    """The figures of a server by name and unit; there are no prompts in it yet."""
    limits = httpx.Limits(max_connections=CLIENTS + 1)
    async with httpx.AsyncClient(base_url=url, timeout=120, trust_env=False, limits=limits) as client:
        ids: list[str] = []

        async def create(_: int) -> None:
            ids.append((await _asked(client.post("/v1/prompts", json=TEMPLATE)))["prompt_id"])

        async def update(number: int) -> None:
            await _asked(client.post(f"/v1/prompts/{ids[number]}", json={**TEMPLATE, "version": 1}))

        async def get(number: int) -> None:
            await _asked(client.get(f"/v1/prompts/{ids[number]}"))

        async def list_all(_: int) -> None:
            await _asked(client.get("/v1/prompts"))

        def mixed(number: int) -> Coroutine[Any, Any, None]:
            return (create, get, get, get, list_all)[number % 5](number % count)

        return {
            ("create", "1/s"): await _rate(create, count),
            ("update", "1/s"): await _rate(update, count),
            ("get", "1/s"): await _rate(get, count),
            (f"list all {count}", "1/s"): await _rate(list_all, LISTS),
            (f"p99 of /v1/health at {REQUESTS_PER_SECOND}/s", "ms"): 1000 * await _waiting_time(client, mixed),
        }


async def _asked(request: Awaitable[httpx.Response]) -> Any:
    return (await request).raise_for_status().json()


async def _rate(request: Callable[[int], Coroutine[Any, Any, None]], count: int) -> float:
    """Requests per second, sent by all clients as fast as they are answered."""
    numbers = iter(range(count))

    async def work() -> None:
        for number in numbers:
            await request(number)

    started = time.perf_counter()
    await asyncio.gather(*(work() for _ in range(CLIENTS)))
    return count / (time.perf_counter() - started)


async def _waiting_time(client: httpx.AsyncClient, request: Callable[[int], Coroutine[Any, Any, None]]) -> float:
    """Seconds that 99 of 100 questions for the health waited at most, while requests come at a steady pace."""

    async def load() -> None:
        async with asyncio.TaskGroup() as tasks:
            for number in range(SECONDS * REQUESTS_PER_SECOND):
                tasks.create_task(request(number))
                await asyncio.sleep(1 / REQUESTS_PER_SECOND)

    waited = []
    loading = asyncio.create_task(load())
    while not loading.done():
        asked = time.perf_counter()
        await _asked(client.get("/v1/health"))
        waited.append(time.perf_counter() - asked)
        await asyncio.sleep(PAUSE)
    await loading
    return statistics.quantiles(waited, n=100, method="inclusive")[98]
