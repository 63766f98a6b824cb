"""What workers share is made once, and is there as long as somebody uses it."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event

import pytest

from tests.support import sharing


class Server:
    """Tells what happens to it."""

    def __init__(self) -> None:
        self.events: list[str] = []

    @contextmanager
    def serve(self) -> Iterator[str]:
        """An address."""
        self.events.append("begins")
        yield "http://there"
        self.events.append("ends")


def test_who_began_it_ends_it_after_the_last_has_left(tmp_path: Path) -> None:
    server, begun, told_to_leave = Server(), Event(), Event()

    def first() -> None:
        with sharing.shared(tmp_path, "server", server.serve):
            begun.set()
            told_to_leave.wait()

    with ThreadPoolExecutor(1) as threads:
        leaving = threads.submit(first)
        begun.wait()
        with sharing.shared(tmp_path, "server", server.serve) as address:
            told_to_leave.set()
            with pytest.raises(TimeoutError):
                leaving.result(0.3)
            server.events.append(f"another uses {address}")
        leaving.result()

    assert server.events == ["begins", "another uses http://there", "ends"]


def test_after_it_has_ended_it_is_begun_anew(tmp_path: Path) -> None:
    server = Server()
    for _ in range(2):
        with sharing.shared(tmp_path, "server", server.serve):
            pass

    assert server.events == ["begins", "ends"] * 2


def test_what_does_not_begin_is_tried_by_the_next(tmp_path: Path) -> None:
    @contextmanager
    def broken() -> Iterator[str]:
        raise OSError("no room")
        yield

    server = Server()
    with pytest.raises(OSError, match="no room"), sharing.shared(tmp_path, "server", broken):
        pass
    with sharing.shared(tmp_path, "server", server.serve):
        assert server.events == ["begins"]


def test_a_thing_is_made_once(tmp_path: Path) -> None:
    calls: list[str] = []

    def make() -> list[str]:
        calls.append("made")
        return ["an image"]

    with ThreadPoolExecutor(4) as threads:
        made = list(threads.map(lambda _: sharing.once(tmp_path, "image", make), range(8)))

    assert made == [["an image"]] * 8
    assert calls == ["made"]
