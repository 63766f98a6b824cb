"""A group of requests becomes one transaction.

Rows for one table go into one statement. Each piece of work runs in a savepoint of its own, so that one that raises
is undone alone. What has failed because of the database fails with StoreUnavailable, all of the group; what has
failed by a fault of its own, alone.
"""

from collections.abc import Sequence

from providers.stores.errors import Duplicate
from providers.stores.requests import InsertRequest, Request, WorkRequest
from providers.stores.session import Session, driver_error

Batches = dict[tuple[str, tuple[str, ...]], list[InsertRequest]]


def run_group(session: Session, group: Sequence[Request]) -> None:
    """Do what a group asks for and commit; results and faults are noted in the requests.

    Raises what the session cannot go on after; then nothing of the group is in the database, unless it is
    OutcomeUnknown.
    """
    works = [request for request in group if isinstance(request, WorkRequest)]
    batches: Batches = {}
    for request in group:
        request.result = request.error = None
        if isinstance(request, InsertRequest):
            batches.setdefault(request.shape, []).append(request)
    if not works and len(batches) == 1:
        (shape, rows), *_ = batches.items()
        try:
            session.insert_and_commit(*shape, [row.values for row in rows])
            return
        except Exception as error:
            if not session.lost:
                session.rollback()
            _raise_unless_fault(session, error)
            if len(rows) == 1:
                rows[0].error = _explained(session, error, rows[0])
                return
    session.begin()
    try:
        for batch in batches.values():
            _insert(session, batch)
        for request in works:
            _work(session, request, alone=len(works) == 1 and not batches)
        if len(group) == 1 and group[0].error is not None:
            session.rollback()
        else:
            session.commit()
    except BaseException:
        if not session.lost:
            session.rollback()
        raise


def _insert(session: Session, rows: list[InsertRequest]) -> None:
    """Insert rows together; if that fails, one by one to find out which is at fault."""
    try:
        with session.savepoint():
            session.insert(*rows[0].shape, [row.values for row in rows])
    except Exception as error:
        _raise_unless_fault(session, error)
        if len(rows) == 1:
            rows[0].error = _explained(session, error, rows[0])
            return
        for row in rows:
            _insert(session, [row])


def _work(session: Session, request: WorkRequest, *, alone: bool) -> None:
    try:
        if alone:
            request.result = request.call(session.connection)
        else:
            with session.savepoint():
                request.result = request.call(session.connection)
    except Exception as error:
        _raise_unless_fault(session, error)
        request.error = error


def _raise_unless_fault(session: Session, error: BaseException) -> None:
    cause = driver_error(error)
    if session.lost or session.is_conflict(cause) or session.reason(cause) is not None:
        raise error


def _explained(session: Session, error: Exception, row: InsertRequest) -> Exception:
    """Say it without the row's values, which are nobody else's business."""
    table, _ = row.shape
    if session.is_duplicate(error):
        duplicate = Duplicate(f"The table {table} has a row of this key already")
        duplicate.__cause__ = error
        return duplicate
    if isinstance(error, ValueError):
        return error
    return ValueError(f"A row cannot be stored in the table {table}: {type(error).__name__}")
