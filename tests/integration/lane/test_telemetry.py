"""What a collector of OpenTelemetry gets of what goes through the lane."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.support import faulty_backend, http_server
from tests.support.faulty_backend import FaultyBackend
from tests.support.process import LOOPBACK
from tests.support.run_configs import run_config, vllm_provider
from tests.support.stack_server import serve

PROMPT = "a prompt that is nobody's business"
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@dataclass
class Collector:
    """What has been told to it."""

    url: str = ""
    bodies: list[bytes] = field(default_factory=list)
    spans: list[Any] = field(default_factory=list)


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    collector = Collector()

    class Answer(http_server.Handler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            collector.bodies.append(body)
            if self.path == "/v1/traces":
                for of_resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                    collector.spans += [span for scope in of_resource.scope_spans for span in scope.spans]
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

    with http_server.serving(Answer) as port:
        collector.url = f"http://{LOOPBACK}:{port}"
        yield collector


@pytest.fixture(scope="module")
def backend() -> Iterator[FaultyBackend]:
    with faulty_backend.serve() as server:
        yield server


@pytest.fixture(scope="module")
def url(backend: FaultyBackend, collector: Collector, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    directory: Path = tmp_path_factory.mktemp("traced")
    config = run_config(directory, {"inference": [vllm_provider("v", backend.url)]}, telemetry={"enabled": True})
    told = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_BSP_SCHEDULE_DELAY": "100"}
    with serve(config, told) as stack:
        yield stack.url


def until(is_so: Callable[[], object]) -> bool:
    """Wait for what a collector is told a moment later."""
    end = time.monotonic() + 30
    while not is_so() and time.monotonic() < end:
        time.sleep(0.05)
    return bool(is_so())


def ask(url: str, headers: dict[str, str] | None = None, **more: Any) -> httpx.Response:
    body = {"model": "v/scripted", "messages": [{"role": "user", "content": PROMPT}], **more}
    return httpx.post(f"{url}/v1/chat/completions", json=body, headers=headers, timeout=60)


def test_a_request_is_a_trace_under_the_id_of_its_answer(url: str, collector: Collector) -> None:
    answer = ask(url)
    trace_id = answer.headers["x-trace-id"]

    def spans() -> list[Any]:
        return [span for span in collector.spans if span.trace_id.hex() == trace_id]

    assert answer.status_code == 200
    assert until(lambda: len(spans()) >= 2)
    root, inner = sorted(spans(), key=lambda span: span.start_time_unix_nano)
    assert (root.name, root.parent_span_id) == ("/v1/chat/completions", b"")
    assert (inner.name, inner.parent_span_id) == ("InferenceRouter.openai_chat_completion", root.span_id)


def test_a_request_is_part_of_the_trace_that_it_names(url: str, collector: Collector) -> None:
    answer = ask(url, {"traceparent": f"00-{TRACE}-{PARENT}-01"}, stream=True)
    assert answer.headers["x-trace-id"] == TRACE

    def parents() -> set[str]:
        return {span.parent_span_id.hex() for span in collector.spans if span.trace_id.hex() == TRACE}

    assert until(lambda: len(parents()) >= 2)
    assert PARENT in parents()


def test_no_other_trace_is_made_of_a_request(url: str, collector: Collector) -> None:
    trace_ids = {ask(url).headers["x-trace-id"] for _ in range(3)}

    def told() -> set[str]:
        return {span.trace_id.hex() for span in collector.spans if span.kind == Span.SPAN_KIND_INTERNAL}

    assert until(lambda: trace_ids <= told())
    assert [span.name for span in collector.spans if span.kind == Span.SPAN_KIND_SERVER] == []


def test_no_prompt_is_told(url: str, collector: Collector) -> None:
    trace_id = ask(url).headers["x-trace-id"]
    assert until(lambda: any(span.trace_id.hex() == trace_id for span in collector.spans))
    assert not [body for body in collector.bodies if PROMPT.encode() in body]
