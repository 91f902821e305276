"""Records, in the scheduler's own transaction, which version a run uses from now on.

One statement (and a savepoint around it) per transaction of the scheduler, however many runs it starts. It
must never hurt the scheduler: whatever fails here is logged, undone and left to the Dag processor, which
records the binding within a second (``upkeep.record_bindings``).
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import structlog
from airflow.listeners import hookimpl
from airflow.sdk import timezone
from sqlalchemy import event, inspect
from sqlalchemy.orm import Session, SessionTransaction, object_session

from pinwheel.core.run.binding import BoundBy
from pinwheel.store import bindings
from pinwheel.store import tables as t
from pinwheel.store.bindings import NewBinding

if TYPE_CHECKING:
    from airflow.models.dagrun import DagRun

log = structlog.get_logger(__name__)

_ready: dict[str, bool] = {}
_STARTED = "pinwheel_started_runs"


@hookimpl
def on_dag_run_running(dag_run: DagRun, msg: str) -> None:
    """Called by the scheduler after a run became RUNNING and before any of its tasks is scheduled."""
    session = object_session(dag_run)
    if session is None:
        return
    started = session.info.get(_STARTED)
    if started is None:
        started = session.info[_STARTED] = []
        event.listen(session, "before_commit", _record)
        event.listen(session, "after_transaction_end", _forget)
    started.append(
        NewBinding(
            dag_id=dag_run.dag_id,
            run_id=dag_run.run_id,
            seq=dag_run.clear_number,
            dag_version_id=dag_run.created_dag_version_id,
            bundle_version=dag_run.bundle_version,
            bound_by=BoundBy.ACTIVE,
            bound_at=timezone.utcnow(),
        )
    )


def _forget(session: Session, transaction: SessionTransaction) -> None:
    """What a transaction that was rolled back started is not recorded with the next one."""
    if transaction.parent is None:
        session.info[_STARTED].clear()


def _record(session: Session) -> None:
    """Write, right before a commit, the bindings of the runs that this transaction started."""
    started: list[NewBinding] = session.info[_STARTED]
    if not started:
        return
    try:
        if _tables_exist(session):
            _write(session, started)
    except Exception:
        # The tables were dropped under us (`pinwheel uninstall`), say. The commit must happen all the same.
        _ready.clear()
        log.warning("Pinwheel could not record which versions runs use", exc_info=True)
    finally:
        started.clear()


def _write(session: Session, started: list[NewBinding]) -> None:
    with ExitStack() as stack:
        # What the scheduler has not flushed yet must not be written, and undone, with what is ours.
        stack.enter_context(session.no_autoflush)
        if session.get_bind().dialect.name != "sqlite":
            # On the connection: the scheduler forbids its session any commit, and 3.3 takes the release of a
            # session's savepoint for one. SQLite needs none (an error leaves the transaction as it was), and
            # there it could begin a transaction, whose end would be a commit.
            stack.enter_context(session.connection().begin_nested())
        bindings.add_all(session, started)


def _tables_exist(session: Session) -> bool:
    """Whether `airflow db migrate` has made our tables; asked once per process while the answer is no."""
    if not _ready.get("tables"):
        _ready["tables"] = inspect(session.connection()).has_table(t.binding.name)
        if not _ready["tables"]:
            log.warning("Pinwheel's tables are missing. Run: airflow db migrate")
    return _ready["tables"]
