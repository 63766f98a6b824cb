"""What the workers of a run share: made by the first that comes, ended when nobody uses it any more."""

import fcntl
import pickle
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock


@contextmanager
def shared[T](folder: Path, name: str, serve: Callable[[], AbstractContextManager[T]]) -> Iterator[T]:
    """What `serve` yields, which can be pickled; only the first process enters `serve`, and it waits for the others.

    `folder` is the same for all who share, and new for each run.
    """
    described = folder / f"{name}.pickle"
    with ExitStack() as stack:
        with FileLock(folder / f"{name}.lock"):
            users = stack.enter_context((folder / f"{name}.users").open("wb"))
            fcntl.flock(users, fcntl.LOCK_SH)
            if described.exists():
                value: T = _read(described)
            else:
                value = stack.enter_context(serve())
                described.write_bytes(pickle.dumps(value))
                stack.callback(fcntl.flock, users, fcntl.LOCK_EX)
                stack.callback(described.unlink)
        yield value


def once[T](folder: Path, name: str, make: Callable[[], T]) -> T:
    """What `make` returns, which can be pickled; it is called in one process only. `folder` is as for `shared`."""
    made = folder / f"{name}.pickle"
    with FileLock(folder / f"{name}.lock"):
        if not made.exists():
            made.write_bytes(pickle.dumps(make()))
        value: T = _read(made)
    return value


def _read(path: Path) -> Any:
    return pickle.loads(path.read_bytes())  # noqa: S301 (another process of this run wrote it)
