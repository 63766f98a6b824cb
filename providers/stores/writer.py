"""Threads that do what is asked of a database: the one that writes, in groups, and those that read beside it."""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue

from providers.stores.errors import StoreUnavailable
from providers.stores.groups import run_group
from providers.stores.requests import Request, WorkRequest, answer
from providers.stores.session import OpenSession, OutcomeUnknown, Session, driver_error

GROUP_ROWS = 256
"""The most requests that are committed together."""
GROUP_BYTES = 8 * 1024 * 1024
"""What the rows of a group may hold, beyond its first."""
ATTEMPTS = 3
"""How often a group is begun that lost its connection before it was committed, or lost against another process."""


class Worker(threading.Thread):
    """A thread with a session, which takes requests from a queue. One that is done when it is taken is left out."""

    def __init__(self, name: str, queue: "SimpleQueue[Request | None]", open_session: OpenSession) -> None:
        super().__init__(name=name, daemon=True)
        self.busy_since: float | None = None
        self._label = name
        self._queue = queue
        self._open_session = open_session
        self._session: Session | None = None

    def run(self) -> None:
        """Work until the queue says None."""
        while self._take():
            self.busy_since = None
        self._drop()

    def interrupt_if_busy_for(self, seconds: float) -> None:
        """Have the session give up what has taken so long."""
        since, session = self.busy_since, self._session
        if since is not None and session is not None and time.monotonic() - since >= seconds:
            session.interrupt()

    def _take(self) -> bool:
        """Do what is next in the queue; False at its end. What it holds is let go when it returns."""
        raise NotImplementedError

    def _begin(self) -> Session:
        if self._session is not None and self._session.lost:
            self._drop()
        if self._session is None:
            self._session = self._open_session()
        return self._session

    def _drop(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            with suppress(Exception):  # it is of no use any more
                session.close()

    def _unavailable(self, error: BaseException) -> BaseException:
        """What is said of an error that the database is to blame for; others stay as they are."""
        if isinstance(error, StoreUnavailable):
            return StoreUnavailable(*error.args)  # one for each who waits
        cause = driver_error(error)
        reason = None if self._session is None else self._session.reason(cause)
        return error if reason is None else unavailable(self._label, reason)


class Writer(Worker):
    """The one writer of a database in this process. Requests that are waiting are committed together."""

    def __init__(
        self,
        name: str,
        queue: "SimpleQueue[Request | None]",
        open_session: OpenSession,
        taken: Callable[[list[Request]], None],
    ) -> None:
        super().__init__(name, queue, open_session)
        self._taken = taken

    def _take(self) -> bool:
        request = self._queue.get()
        if request is None:
            return False
        group = [request]
        size = request.size
        # Nobody else takes from this queue: what it holds now it holds still.
        for _ in range(min(self._queue.qsize(), GROUP_ROWS - 1)):
            if size > GROUP_BYTES:
                break
            request = self._queue.get()
            if request is None:
                self._queue.put(None)  # for the next round
                break
            size += request.size
            group.append(request)
        self._taken(group)
        wanted = [request for request in group if not request.future.done()]
        if wanted:
            self.busy_since = time.monotonic()
            self._commit(wanted)
            answer(wanted)
        return True

    def _commit(self, group: list[Request]) -> None:
        try:
            self._try(group)
        except BaseException as error:  # whatever it is, somebody waits
            for request in group:
                request.error = self._unavailable(error)

    def _try(self, group: list[Request]) -> None:
        for attempt in range(1, ATTEMPTS + 1):
            if attempt > 1:
                group = [request for request in group if not request.future.done()]
            session = self._begin()
            try:
                return run_group(session, group)
            except OutcomeUnknown as error:
                if self._was_committed(error.transaction):
                    return None
            except Exception as error:
                conflict = session.is_conflict(driver_error(error))
                if attempt == ATTEMPTS or not (conflict or session.lost):
                    raise
                if conflict and len(group) > 1:
                    break
        else:
            raise unavailable(self._label, "the connection was lost again and again")
        for request in group:  # each holds its locks for itself alone
            self._commit([request])
        return None

    def _was_committed(self, transaction: object) -> bool:
        """Ask a new session. Raises StoreUnavailable if nobody knows: written again, it might be there twice."""
        outcome = self._begin().outcome(transaction)
        if outcome is None:
            raise unavailable(self._label, "the connection was lost during a commit; it may have been stored or not")
        return outcome


class Reader(Worker):
    """One of those who read. What a lost connection has interrupted is done again."""

    def _take(self) -> bool:
        request = self._queue.get()
        if request is None:
            return False
        if isinstance(request, WorkRequest) and not request.future.done():
            self.busy_since = time.monotonic()
            self._read(request)
            answer([request])
        return True

    def _read(self, request: WorkRequest) -> None:
        for _ in range(2):
            request.error = None
            try:
                request.result = request.call(self._begin().connection)
                return
            except BaseException as error:  # whatever it is, somebody waits
                request.error = self._unavailable(error)
                if self._session is None or not self._session.lost:
                    return


def unavailable(name: str, reason: str) -> StoreUnavailable:
    """The error of a database that cannot be used."""
    return StoreUnavailable(f"The {name} cannot be used: {reason}")
