"""Records, in the scheduler's own transaction, which version a run uses, and at its end what it came to.

A few statements (and a savepoint around them) per transaction of the scheduler, however many runs it starts
and ends. It must never hurt the scheduler: whatever fails here is logged, undone and left to the Dag
processor, which records it within a second (``upkeep.record_bindings``, ``upkeep.record_outcomes``).

Runs of Dags that are judged by dates are bound here, or sent back to the queue: :mod:`.binder`.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import structlog
from airflow.listeners import hookimpl
from airflow.sdk import timezone
from attrs import define, field
from sqlalchemy import event, inspect, update
from sqlalchemy.orm import Session, SessionTransaction, object_session
from sqlalchemy.orm.attributes import set_committed_value

from pinwheel.airflow3.reads import tries
from pinwheel.airflow3.run import binder
from pinwheel.core.records import RunOutcome
from pinwheel.core.run.binding import BoundBy
from pinwheel.core.run.how import How
from pinwheel.services.run.bound_again import unchosen
from pinwheel.services.run.right_place import put_right
from pinwheel.store import bindings, outcomes
from pinwheel.store import tables as t
from pinwheel.store.bindings import NewBinding
from pinwheel.store.refusals import said

if TYPE_CHECKING:
    from airflow.models.dagrun import DagRun

log = structlog.get_logger(__name__)

_ready: dict[str, bool] = {}
_NOTED = "pinwheel_noted_runs"
_SAVEPOINT = "noted_by_pinwheel"


@define
class _Noted:
    """The runs that a transaction started and ended, until its commit."""

    started: list[NewBinding] = field(factory=list)
    runs: list[DagRun] = field(factory=list)
    """Those that started, in the same order."""
    ended: list[RunOutcome] = field(factory=list)
    budget: binder.Budget = field(factory=binder.Budget)

    def clear(self) -> None:
        self.started.clear()
        self.runs.clear()
        self.ended.clear()
        self.budget = binder.Budget()


@hookimpl(wrapper=True, tryfirst=True)
def on_dag_run_running(dag_run: DagRun, msg: str) -> Generator[None, Any, Any]:
    """Called by the scheduler after a run became RUNNING and before any of its tasks is scheduled.

    Around all other listeners, so that they see the run on what it is bound to.
    """
    note_start(dag_run)
    return (yield)


def note_start(dag_run: DagRun) -> None:
    noted = _noted(dag_run)
    if noted is None:
        return
    if binder.binds_at_once(dag_run):
        binder.bind(dag_run, noted.budget)
        return
    noted.runs.append(dag_run)
    noted.started.append(
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


@hookimpl
def on_dag_run_success(dag_run: DagRun, msg: str) -> None:
    """Called after a run became SUCCESS: by the scheduler, and by the API server where somebody marks it."""
    _note_end(dag_run, "success", msg)


@hookimpl
def on_dag_run_failed(dag_run: DagRun, msg: str) -> None:
    """Called after a run became FAILED: by the scheduler, and by the API server where somebody marks it."""
    _note_end(dag_run, "failed", msg)


_HOW = {
    "success": How.BY_TASKS,
    "task_failure": How.BY_TASKS,
    "timed_out": How.TIMED_OUT,
    "all_tasks_deadlocked": How.DEADLOCKED,
}
_BY_HAND = "Dag Run's state was manually set to"


def how_of(msg: str) -> How | None:
    """What Airflow's word to listeners says of an end; None: nothing that is known.

    ``models/dagrun.py`` (``update_state``), ``jobs/scheduler_job_runner.py`` (timeouts), and
    ``api_fastapi/core_api/services/public/dag_run.py`` (by hand). They are in no contract: a test lets each
    supported Airflow say them.
    """
    return How.BY_HAND if msg.startswith(_BY_HAND) else _HOW.get(msg)


def _note_end(dag_run: DagRun, state: str, msg: str) -> None:
    noted = _noted(dag_run)
    if noted is None:
        return
    noted.ended.append(
        RunOutcome(
            dag_id=dag_run.dag_id,
            run_id=dag_run.run_id,
            seq=dag_run.clear_number,
            state=state,
            dag_version_id=dag_run.created_dag_version_id,
            ended_at=dag_run.end_date or timezone.utcnow(),
            started_at=dag_run.start_date,
            how=how_of(msg),
        )
    )


def _noted(dag_run: DagRun) -> _Noted | None:
    """What the run's transaction noted so far; None: the run belongs to none."""
    session = object_session(dag_run)
    if session is None:
        return None
    noted: _Noted | None = session.info.get(_NOTED)
    if noted is None:
        noted = session.info[_NOTED] = _Noted()
        event.listen(session, "before_commit", _record)
        event.listen(session, "after_transaction_end", _forget)
    return noted


def _forget(session: Session, transaction: SessionTransaction) -> None:
    """What a transaction that was rolled back noted is not recorded with the next one."""
    if transaction.parent is None:
        session.info[_NOTED].clear()


def _record(session: Session) -> None:
    """Write, right before a commit, what this transaction noted."""
    noted: _Noted = session.info[_NOTED]
    try:
        if noted.started:
            look = binder.Look()
            _safely(
                session,
                "which versions runs use",
                # Before any task is scheduled: the scheduler commits between the start of runs and that
                # (``scheduler_job_runner.py``, ``_do_scheduling``).
                lambda: _bind(session, noted, look),
                lambda: look.nothing_is_judged(),
            )
            # No statement: what is set here is written with the scheduler's own.
            look.send_back(noted.runs)
        if noted.ended:
            _safely(session, "what runs came to", lambda: outcomes.add_all(session, noted.ended))
    finally:
        noted.clear()


def _bind(session: Session, noted: _Noted, look: binder.Look) -> int:
    """Record what the runs that start use, each in a bundle version in which its build stands.

    Those of Dags that are judged by dates are looked at instead.
    """
    look.at(session, noted.runs)
    runs = [run for run in noted.runs if run.dag_id not in look.dated]
    started = [one for one in noted.started if one.dag_id not in look.dated]
    if not started:
        return 0
    known = bindings.versions_of(session, started)
    placed = put_right(session, started, known)
    for run, before, after in zip(runs, started, placed, strict=True):
        if after.bundle_version != before.bundle_version:
            _execute_in(session, run, after.bundle_version)
    return bindings.add_all(session, unchosen(session, placed, tries.present), known)


def _execute_in(session: Session, run: DagRun, bundle_version: str | None) -> None:
    """Let a run's tasks be carried out in this version; nothing else of the row is written with it."""
    session.execute(
        update(type(run))
        .where(type(run).id == run.id)
        .values(bundle_version=bundle_version)
        .execution_options(synchronize_session=False)
    )
    set_committed_value(run, "bundle_version", bundle_version)
    log.info(
        "A run is carried out in the bundle version in which its build stands",
        dag_id=run.dag_id,
        run_id=run.run_id,
        bundle_version=bundle_version,
    )


def _safely(
    session: Session, what: str, write: Callable[[], int], without: Callable[[], None] = lambda: None
) -> None:
    """Write, or where our tables are not there, do *without*."""
    try:
        # What the scheduler has not flushed yet must not be written, and undone, with what is ours.
        with session.no_autoflush, _undone_alone(session):
            # Looks at the database too, the first time: inside.
            if _tables_exist(session):
                write()
            else:
                without()
    except Exception as error:
        # The tables were dropped under us (`pinwheel uninstall`), say. The commit must happen all the same.
        _ready.clear()
        log.warning("Pinwheel could not record %s", what, reason=said(error), exc_info=True)


@contextmanager
def _undone_alone(session: Session) -> Iterator[None]:
    """What fails inside is undone, and what the scheduler did before can be committed as ever.

    By statements of our own. The scheduler forbids its session any commit, and 3.3 takes the release of a
    session's savepoint for one; and a savepoint of SQLAlchemy's is not gone back to when its release fails.
    Only where the database refuses the first of them is the transaction lost, as it is by an error at any
    statement of the scheduler's own: that ends it loudly, with nothing done.
    """
    if session.get_bind().dialect.name == "sqlite":
        # An error leaves the transaction as it was, and a savepoint could begin one, whose end is a commit.
        yield
        return
    connection = session.connection()
    connection.exec_driver_sql(f"SAVEPOINT {_SAVEPOINT}")
    try:
        yield
        connection.exec_driver_sql(f"RELEASE SAVEPOINT {_SAVEPOINT}")
    except BaseException:
        connection.exec_driver_sql(f"ROLLBACK TO SAVEPOINT {_SAVEPOINT}")
        raise


def _tables_exist(session: Session) -> bool:
    """Whether `airflow db migrate` has made our tables; asked once per process while the answer is no."""
    if not _ready.get("tables"):
        _ready["tables"] = inspect(session.connection()).has_table(t.outcome.name)
        if not _ready["tables"]:
            log.warning("Pinwheel's tables are missing. Run: airflow db migrate")
    return _ready["tables"]
