"""The servers that the rows of benchmarks/serving.py measure, and how much they do."""

from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property

from benchmarks import load, peers
from benchmarks.load import Request, Sample, alternating
from benchmarks.peers import Peer, Server


@dataclass(frozen=True)
class Effort:
    """How much is measured."""

    seconds: int
    """Of one load."""
    repetitions: int
    """Of each load; figures are medians."""
    streams: int
    """In one repetition."""
    stored: int
    """Completions that are looked for afterwards."""
    requests: int
    """While memory is watched."""
    most_seconds: int
    """For the last two, since stock would take hours."""
    starts: int


@dataclass
class Bench:
    """The servers, started when a row needs them, and what one row learns from another."""

    ours: Peer
    stock: Peer
    model_server: Server
    effort: Effort
    stack: ExitStack
    known: dict[str, float] = field(default_factory=dict)

    @cached_property
    def pair(self) -> list[Server]:
        """Ours and stock with their defaults."""
        return [self.stack.enter_context(peers.serve(peer, self.model_server)) for peer in (self.ours, self.stock)]

    @cached_property
    def guarded(self) -> list[Server]:
        """The same with authentication and traces."""
        opened = (peers.serve_guarded(peer, self.model_server) for peer in (self.ours, self.stock))
        return [self.stack.enter_context(server) for server in opened]

    @cached_property
    def without_access_lines(self) -> Server:
        """Ours without a line for each request."""
        settings = {"LLAMA_STACK_LOGGING": "access=error"}
        return self.stack.enter_context(peers.serve(self.ours, self.model_server, settings))

    def sample(self, servers: list[Server], request: Request, connections: int = 8) -> dict[str, list[Sample]]:
        """A load on each server in turn."""
        return alternating(
            servers,
            self.effort.repetitions,
            lambda server: load.run(server, request, connections=connections, seconds=self.effort.seconds),
        )
