"""The rows of the table of benchmarks/serving.py: each is some load on all servers in turn, and its figures."""

import json
import statistics
from collections.abc import Callable, Mapping
from functools import partial

from benchmarks import load, peers, size, state, streams
from benchmarks.load import Request, Sample, alternating, median_of, posted
from benchmarks.peers import CHAT_MODEL, Peer, Server
from benchmarks.report import Figure, Target
from benchmarks.serving_bench import Bench
from benchmarks.serving_requests import CHAT, COMPLETION, UPLOAD, asked, embedding, search_of
from tests.support import postgres

NO_FAILURE = Target(0)
FASTER = Target(1, of_ratio=True, at_least=True)
MANY_TIMES = Target(40, of_ratio=True, at_least=True)
SHORT, LONG = 10, 200
"""Chunks of a stream; what differs is what the chunks cost, and not the request."""
STREAMS_AT_ONCE = 4
SPEED = ("uvloop", "httptools", "msgspec")
"""Packages that are in the image for speed alone."""


Row = Callable[[Bench], list[Figure]]


def chat(bench: Bench) -> list[Figure]:
    """Chat completions over 8 connections."""
    taken = bench.sample([*bench.pair, bench.model_server], CHAT)
    name = "chat, 8 connections"
    bench.known |= {"cpu": _cpu(taken["ours"]), "rate": _rate(taken["ours"])}
    return [
        _cost(name, taken, Target(0.01, of_ratio=True)),
        _requests(name, taken, Target(60, of_ratio=True, at_least=True)),
        *_added(name, taken),
        _failed(name, taken),
    ]


def chat_many(bench: Bench) -> list[Figure]:
    """Chat completions over 64 connections."""
    taken = bench.sample([*bench.pair, bench.model_server], CHAT, connections=64)
    name = "chat, 64 connections"
    of_eight = bench.known
    return [
        _cost(name, taken, Target(round(1.2 * of_eight["cpu"], 1)) if of_eight else None),
        _requests(name, taken, Target(round(0.9 * of_eight["rate"]), at_least=True) if of_eight else None),
        _failed(name, taken),
    ]


def guarded(bench: Bench) -> list[Figure]:
    """Chat completions with authentication and traces."""
    taken = bench.sample(bench.guarded, CHAT)
    name = "chat, authentication and traces"
    return [_cost(name, taken, Target(400)), _requests(name, taken), _failed(name, taken)]


def streaming(bench: Bench) -> list[Figure]:
    """Streams whose chunks are a millisecond apart."""
    effort = bench.effort
    servers = [*bench.pair, bench.model_server]

    def sample(server: Server) -> tuple[streams.StreamSample, streams.StreamSample]:
        return (
            streams.run(server, chunks=SHORT, count=effort.streams, clients=STREAMS_AT_ONCE),
            streams.run(server, chunks=LONG, count=effort.streams, clients=STREAMS_AT_ONCE),
        )

    def first(taken: tuple[streams.StreamSample, streams.StreamSample]) -> float:
        return statistics.median([*taken[0].first, *taken[1].first] or [0])

    def delay(taken: tuple[streams.StreamSample, streams.StreamSample]) -> float:
        return statistics.median(taken[1].delays or [0])

    def late(taken: tuple[streams.StreamSample, streams.StreamSample]) -> float:
        return statistics.quantiles(taken[1].delays or [0, 0], n=100, method="inclusive")[98]

    def chunk(taken: tuple[streams.StreamSample, streams.StreamSample]) -> float:
        return (taken[1].cpu - taken[0].cpu) / (LONG - SHORT)

    taken = alternating(servers, effort.repetitions, sample)
    failures = {name: float(sum(a.failures + b.failures for a, b in pairs)) for name, pairs in taken.items()}
    fifth, twentieth = Target(0.2, of_ratio=True), Target(0.05, of_ratio=True)
    return [
        _beyond("stream, first chunk: added", "ms", taken, lambda one: first(one) / 1000, twentieth),
        _beyond("stream, each chunk: added, median", "ms", taken, lambda one: delay(one) / 1000),
        _beyond("stream, each chunk: added, p99", "ms", taken, lambda one: late(one) / 1000),
        _figure("stream, CPU for a chunk", "µs", {name: median_of(v, chunk) for name, v in taken.items()}, fifth),
        _figure("stream, failures", "", failures, NO_FAILURE),
    ]


def completions(bench: Bench) -> list[Figure]:
    """Text completions."""
    return _plain(bench, "text completions", COMPLETION, MANY_TIMES)


def embeddings(bench: Bench) -> list[Figure]:
    """One text."""
    return _plain(bench, "embeddings, 1 text", embedding(1), MANY_TIMES)


def embeddings_many(bench: Bench) -> list[Figure]:
    """64 texts."""
    return _plain(bench, "embeddings, 64 texts", embedding(64), MANY_TIMES)


def search(bench: Bench) -> list[Figure]:
    """A search in a vector store of faiss."""
    requests = {server.name: search_of(server) for server in bench.pair}
    return _own(bench, "vector store search", requests)


def upload(bench: Bench) -> list[Figure]:
    """A file of 10 kB."""
    return _own(bench, "file upload of 10 kB", {server.name: UPLOAD for server in bench.pair})


def prompt(bench: Bench) -> list[Figure]:
    """A prompt by its id."""
    made = {"prompt": "Summarize {{ text }}.", "variables": ["text"]}
    ids = {server.name: asked(server, "/v1/prompts", made)["prompt_id"] for server in bench.pair}
    return _own(bench, "prompt get", {name: Request(f"/v1/prompts/{one}", method="GET") for name, one in ids.items()})


def responses(bench: Bench) -> list[Figure]:
    """A turn of the Responses API with plain text."""
    turn = posted("/v1/responses", {"model": CHAT_MODEL, "input": "What is the capital of France?"})
    return _own(bench, "Responses, a text turn", {server.name: turn for server in bench.pair})


def stored(bench: Bench) -> list[Figure]:
    """Acknowledged completions that are in SQLite."""
    taken = {server.name: _stored(bench, server, partial(state.stored_ids, server.data)) for server in bench.pair}
    return _losses("stored in SQLite, 64 connections", taken)


def stored_in_postgres(bench: Bench) -> list[Figure]:
    """Acknowledged completions that are in PostgreSQL; stock does not start with its responses there."""
    with (
        postgres.serve() as database,
        peers.serve(bench.ours, bench.model_server, peers.on_postgres(database)) as server,
    ):
        taken = {server.name: _stored(bench, server, partial(state.ids_in_postgres, database))}
    return _losses("stored in PostgreSQL, 64 connections", taken)


def memory(bench: Bench) -> list[Figure]:
    """Memory and what else grows, over many requests."""
    effort = bench.effort
    taken = {
        server.name: state.grow(
            server, CHAT, requests=effort.requests, most_seconds=effort.most_seconds, piece=max(1, effort.seconds)
        )
        for server in bench.pair
    }

    def grown(name: str, unit: str, quantity: Callable[[state.Growth], float], target: Target | None = None) -> Figure:
        return _figure(f"memory: {name}", unit, {name: quantity(one) for name, one in taken.items()}, target)

    return [
        grown("requests", "", lambda one: one.requests),
        grown("at the end", "MB", lambda one: one.end.memory / 1e6),
        grown("growth over the second half", "%", lambda one: one.memory, Target(3)),
        grown("more sockets", "", lambda one: one.end.sockets - one.half.sockets, NO_FAILURE),
        grown("more threads", "", lambda one: one.end.threads - one.half.threads, NO_FAILURE),
        grown("more descriptors", "", lambda one: one.end.descriptors - one.half.descriptors, NO_FAILURE),
    ]


def start(bench: Bench) -> list[Figure]:
    """From the start to the first 200 of the health."""

    def seconds(peer: Peer) -> float:
        with peers.serve(peer, bench.model_server) as server:
            return server.seconds

    pairs = [(seconds(bench.ours), seconds(bench.stock)) for _ in range(1 + bench.effort.starts)]
    ours, theirs = zip(*pairs[1:] or pairs, strict=True)  # the first brings files into memory
    medians = {"ours": statistics.median(ours), "stock": statistics.median(theirs)}
    return [_figure("start to healthy", "s", medians, Target(0.35, of_ratio=True))]


def image(_: Bench) -> list[Figure]:
    """What the packages that were added for speed add to the image."""
    return [
        Figure("image: uvloop, httptools, msgspec compressed", "MB", size.compressed(SPEED) / 1e6, target=Target(5))
    ]


def log(bench: Bench) -> list[Figure]:
    """Lines for a request, and what those of requests cost."""
    taken = bench.sample(bench.pair, CHAT)
    lines = {name: median_of(samples, lambda sample: sample.lines) for name, samples in taken.items()}
    silent = bench.without_access_lines
    named = {"with": bench.pair[0], "without": silent}
    costs: dict[str, list[float]] = {name: [] for name in named}
    for _ in range(bench.effort.repetitions):
        for name, server in named.items():
            costs[name].append(load.run(server, CHAT, connections=8, seconds=bench.effort.seconds).cpu)
    cost = statistics.median(costs["with"]) - statistics.median(costs["without"])
    return [
        _figure("log, lines for a request", "", lines, Target(1.05)),
        Figure("log, CPU of its line", "µs", cost, target=Target(10)),
    ]


ROWS: Mapping[str, Row] = {
    "chat": chat,
    "chat-64": chat_many,
    "guarded": guarded,
    "streams": streaming,
    "embeddings": embeddings,
    "embeddings-64": embeddings_many,
    "completions": completions,
    "search": search,
    "upload": upload,
    "prompt": prompt,
    "responses": responses,
    "log": log,
    "stored": stored,
    "stored-postgres": stored_in_postgres,
    "memory": memory,
    "start": start,
    "image": image,
}
"""Every row by the name that `--only` takes."""


def _stored(bench: Bench, server: Server, ids: Callable[[], set[str]]) -> state.Stored:
    effort = bench.effort
    return state.store(server, json.loads(CHAT.body), ids, clients=64, count=effort.stored, seconds=effort.most_seconds)


def _losses(name: str, taken: Mapping[str, state.Stored]) -> list[Figure]:
    acknowledged = {server: float(one.acknowledged) for server, one in taken.items()}
    lost = {server: float(one.lost) for server, one in taken.items()}
    return [
        _figure(f"{name}: acknowledged", "", acknowledged),
        _figure(f"{name}: not there", "", lost, NO_FAILURE),
    ]


def _plain(bench: Bench, name: str, request: Request, target: Target) -> list[Figure]:
    """Figures of what the model server answers too."""
    taken = bench.sample([*bench.pair, bench.model_server], request)
    return [_cost(name, taken), _requests(name, taken, target), _failed(name, taken)]


def _own(bench: Bench, name: str, requests: Mapping[str, Request]) -> list[Figure]:
    """Figures of what only the servers answer, each a request of its own."""
    effort = bench.effort
    taken = alternating(
        bench.pair,
        effort.repetitions,
        lambda server: load.run(server, requests[server.name], connections=8, seconds=effort.seconds),
    )
    return [_cost(name, taken), _requests(name, taken, FASTER), _failed(name, taken)]


def _cost(name: str, taken: Mapping[str, list[Sample]], target: Target | None = None) -> Figure:
    return _figure(f"{name}: CPU", "µs", {server: _cpu(samples) for server, samples in taken.items()}, target)


def _requests(name: str, taken: Mapping[str, list[Sample]], target: Target | None = None) -> Figure:
    return _figure(f"{name}: requests", "1/s", {server: _rate(samples) for server, samples in taken.items()}, target)


def _added(name: str, taken: Mapping[str, list[Sample]]) -> list[Figure]:
    target = Target(0.02, of_ratio=True)
    return [
        _beyond(f"{name}: added, median", "ms", taken, lambda sample: sample.median / 1000, target),
        _beyond(f"{name}: added, p99", "ms", taken, lambda sample: sample.p99 / 1000, target),
    ]


def _failed(name: str, taken: Mapping[str, list[Sample]]) -> Figure:
    """Bad statuses, requests that took too long and connections that broke, of all repetitions."""
    failures = {server: float(sum(sample.failures for sample in samples)) for server, samples in taken.items()}
    return _figure(f"{name}: failures", "", failures, NO_FAILURE)


def _beyond[T](
    name: str, unit: str, taken: Mapping[str, list[T]], quantity: Callable[[T], float], target: Target | None = None
) -> Figure:
    """What servers add to the time of the model server, which is beside them."""
    medians = {server: median_of(samples, quantity) for server, samples in taken.items()}
    bare = medians["backend"]
    return Figure(name, unit, medians["ours"] - bare, medians["stock"] - bare, target, bare)


def _figure(name: str, unit: str, values: Mapping[str, float], target: Target | None = None) -> Figure:
    return Figure(name, unit, values["ours"], values.get("stock"), target, values.get("backend"))


def _cpu(samples: list[Sample]) -> float:
    return median_of(samples, lambda sample: sample.cpu)


def _rate(samples: list[Sample]) -> float:
    return median_of(samples, lambda sample: sample.rate)
