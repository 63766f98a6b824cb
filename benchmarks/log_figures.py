"""What the line of a request costs: our middleware with id, facts and line, and stock's line alone."""

import argparse
import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Any

from benchmarks.report import Conditions, Figure, Target, show
from distribution.logs.access import AccessLog
from distribution.logs.output import Output
from providers.request_facts import current

REQUESTS, STOCK_REQUESTS = 100_000, 3_000
ROUNDS = 3
"""The best counts: what else the machine does only adds to it."""
PATH = "/v1/chat/completions"
HEADERS = [
    (b"host", b"llama-stack:8321"),
    (b"user-agent", b"OpenAI/Python"),
    (b"accept", b"application/json"),
    (b"content-type", b"application/json"),
    (b"content-length", b"200"),
    (b"authorization", b"Bearer token"),
    (b"accept-encoding", b"gzip"),
    (b"x-request-id", b"0123456789abcdef"),
]
# llama-stack as it is: no hooks, and the line that uvicorn hands to its handler. Standard output takes the lines.
STOCK = f"""
import logging, sys, time
from llama_stack.log import setup_logging
setup_logging()
access = logging.getLogger("uvicorn.access")
started = time.process_time()
for _ in range({STOCK_REQUESTS}):
    access.info('%s - "%s %s HTTP/%s" %d', "127.0.0.1:40000", "POST", "{PATH}", "1.1", 200)
print((time.process_time() - started) / {STOCK_REQUESTS} * 1e6, file=sys.stderr)
"""


def run(arguments: Sequence[str]) -> None:
    """Measure and print the figures."""
    parser = argparse.ArgumentParser(prog="benchmarks/log.py", description=__doc__)
    parser.add_argument("--json", action="store_true", help="as JSON")
    options = parser.parse_args(arguments)
    conditions = Conditions()
    stock = min(_stock() for _ in range(ROUNDS))
    figures = [
        Figure(f"line of a request, {name}", "µs CPU", _ours(as_json=name == "JSON"), stock, Target(10))
        for name in ("plain", "JSON")
    ]
    show("The log", figures, conditions, as_json=options.json)


def _stock() -> float:
    ran = subprocess.run([sys.executable, "-c", STOCK], capture_output=True, text=True, check=True)
    return float(ran.stderr.splitlines()[-1])


def _ours(*, as_json: bool) -> float:
    """Microseconds of CPU that a request with a line takes over the same without the middleware."""
    read, write = os.pipe()
    reader = subprocess.Popen(["cat"], stdin=read, stdout=subprocess.DEVNULL)
    os.close(read)
    logged = AccessLog(_answer, Output(write), as_json=as_json)
    cost = min(asyncio.run(_serve(logged)) for _ in range(ROUNDS)) - min(
        asyncio.run(_serve(_answer)) for _ in range(ROUNDS)
    )
    os.close(write)
    reader.wait()
    return cost


async def _answer(scope: Any, receive: Any, send: Any) -> None:
    if facts := current.get():
        facts.model, facts.input_tokens, facts.output_tokens = "vllm/granite", 31, 127
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": b"{}"})


async def _serve(app: Any) -> float:
    scope = {
        "type": "http",
        "method": "POST",
        "path": PATH,
        "raw_path": PATH.encode(),
        "client": ("127.0.0.1", 40000),
        "headers": HEADERS,
        "principal": "ann",
    }
    started = time.process_time()
    for _ in range(REQUESTS):
        await app(dict(scope), _receive, _send)
    return (time.process_time() - started) / REQUESTS * 1e6


async def _receive() -> Any:
    return {"type": "http.disconnect"}


async def _send(message: Any) -> None:
    return None
