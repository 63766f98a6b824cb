"""Unit tests build nothing and reach nothing: this file sees to it."""

import socket
from pathlib import Path
from typing import Any

import pytest

from builder import paths

_LOOPBACK = ("127.0.0.1", "::1", "localhost")


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let sockets connect to this machine only."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6) and address[0] not in _LOOPBACK:
            raise AssertionError(f"a unit test tried to reach {address[0]}")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture(autouse=True)
def own_build_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Give each test a build folder of its own."""
    original, own = paths.BUILD, tmp_path / "build"
    for name in ("BUILD", "DOWNLOADS", "STAGES", "BLOBS", "LOCKS", "VERDICTS", "REGISTRIES", "CONTEXT"):
        monkeypatch.setattr(paths, name, own / getattr(paths, name).relative_to(original))
    return own
