"""End a command as a whole when the system asks for it: with all that it started, and nothing half-written.

Whoever cancels a CI job sends SIGTERM to one process. That process would die of it at once: its children would go on,
its drafts would stay. Here the signal ends the children and becomes an exception in the main thread, so that what is
under way is cleaned up as after an error.

The standard library of Python 3.9 is enough for this module: it listens while the environment is made, too.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, NoReturn

_SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


class Ended(SystemExit):
    """A signal asked this process to end. `code` is the exit code: 128 and the signal's number."""


class _Watch:
    """The programs under way, and whether a signal has come."""

    def __init__(self) -> None:
        self.children: set[subprocess.Popen[Any]] = set()
        self.has_ended = False
        self.holding = 0
        """How many blocks of the main thread must not be left in their middle."""
        self.waiting: signal.Signals | None = None
        """What came meanwhile."""
        self.lock = threading.RLock()

    def hear(self, number: int, _: FrameType | None) -> None:
        """Handle a signal, in the main thread."""
        if self.holding:
            self.waiting = signal.Signals(number)
        else:
            self.end(signal.Signals(number))

    def end(self, asked: signal.Signals) -> NoReturn:
        """End all children and raise; a signal that comes again does not disturb the cleaning up."""
        with self.lock:
            self.has_ended = True
            for child in self.children:
                _kill(child)
        for each in _SIGNALS:
            signal.signal(each, _already_ending)
        if asked == signal.SIGINT:
            signal.signal(signal.SIGINT, signal.default_int_handler)  # who insists at the keyboard is obeyed
            raise KeyboardInterrupt
        raise Ended(128 + asked)


_watch = _Watch()


def listen() -> None:
    """From now on SIGTERM, SIGHUP and SIGINT end this process and what it started; one that is ignored stays so."""
    for each in _SIGNALS:
        if signal.getsignal(each) is not signal.SIG_IGN:
            signal.signal(each, _watch.hear)


def has_ended() -> bool:
    """Whether a signal has come, for threads that could go on for long."""
    return _watch.has_ended


@contextmanager
def held() -> Iterator[None]:
    """In the main thread, a block that a signal does not break off: the signal counts when the block is done."""
    if threading.current_thread() is not threading.main_thread():
        yield  # no signal is handled here
        return
    _watch.holding += 1
    try:
        yield
    finally:
        _watch.holding -= 1
        if _watch.waiting and not _watch.holding:
            _watch.end(_watch.waiting)


@contextmanager
def program(words: Sequence[str], **options: Any) -> Iterator[subprocess.Popen[Any]]:
    """Another program, started with `subprocess.Popen`'s options. It does not outlive the block, nor a signal.

    It leads a process group of its own, so that what it starts ends with it.
    """
    started: subprocess.Popen[Any] | None = None
    try:
        with held(), _watch.lock:
            if _watch.has_ended:
                raise Ended(1)  # in a thread; the main thread knows the code
            started = subprocess.Popen(words, process_group=0, **options)
            _watch.children.add(started)
        yield started
    finally:
        if started:
            _kill(started)
            started.wait()
            with _watch.lock:
                _watch.children.discard(started)


@contextmanager
def threads(count: int) -> Iterator[ThreadPoolExecutor]:
    """Threads that wait for a network. After a signal nobody waits for them."""
    pool = ThreadPoolExecutor(count)
    try:
        yield pool
    finally:
        pool.shutdown(wait=not _watch.has_ended, cancel_futures=True)


def leave(code: int) -> NoReturn:
    """End this process now, whatever its threads still wait for."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _already_ending(_: int, __: FrameType | None) -> None:
    pass


def _kill(child: subprocess.Popen[Any]) -> None:
    """End a program and its process group at once; `unshare` ignores anything milder."""
    if child.poll() is None:
        with suppress(OSError):
            if hasattr(os, "killpg"):
                os.killpg(child.pid, signal.SIGKILL)
            else:
                child.kill()
