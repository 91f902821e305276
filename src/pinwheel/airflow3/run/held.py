"""Runs that wait to be bound, held and moved; and tasks that failed because their run was not bound."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

from airflow.models.backfill import BackfillDagRun
from airflow.models.dagrun import DagRun
from airflow.models.taskinstance import TaskInstance, clear_task_instances
from airflow.utils.sqlalchemy import with_row_locks
from airflow.utils.state import DagRunState, TaskInstanceState
from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

BEHIND = 1_000_000
"""Added to the place of a run in its backfill: schedulers take queued runs by that, so many in a turn."""


def hold_runs(session: Session, ids: Collection[int], state: str) -> set[int]:
    """Hold those of these runs that are in this state, until the transaction ends."""
    query = select(DagRun.id).where(DagRun.id.in_(sorted(ids)), DagRun.state == DagRunState(state))
    return set(
        session.scalars(with_row_locks(query.order_by(DagRun.id), session, of=DagRun, skip_locked=True))
    )


def move_behind(session: Session, ids: Collection[int]) -> int:
    """Move runs behind all others of their backfill; how many were moved."""
    place = BackfillDagRun.sort_ordinal
    return _move(session, BackfillDagRun.dag_run_id.in_(sorted(ids)) & (place <= BEHIND), BEHIND)


def move_back(session: Session, run: DagRun) -> None:
    """Move a run of a backfill to its place, which tells what comes before it, if it waited behind."""
    if run.backfill_id is not None:
        _move(
            session, (BackfillDagRun.dag_run_id == run.id) & (BackfillDagRun.sort_ordinal > BEHIND), -BEHIND
        )


def _move(session: Session, which: Any, by: int) -> int:
    moved = session.execute(
        update(BackfillDagRun)
        .where(which)
        .values(sort_ordinal=BackfillDagRun.sort_ordinal + by)
        .execution_options(synchronize_session=False)
    )
    return int(moved.rowcount)  # type: ignore[attr-defined]


def run_failed_again(session: Session, dag_id: str, run_id: str, since: datetime) -> int:
    """Let tasks of a running run run again that failed since, with what failed for that; how many."""
    of_run = select(TaskInstance).where(TaskInstance.dag_id == dag_id, TaskInstance.run_id == run_id)
    failed = session.scalars(
        of_run.where(
            TaskInstance.state == TaskInstanceState.FAILED,
            # One that was handed out before then, as it was bound, failed by itself.
            or_(TaskInstance.queued_dttm.is_(None), TaskInstance.queued_dttm >= since),
            or_(TaskInstance.start_date.is_(None), TaskInstance.start_date >= since),
        )
    ).all()
    if not failed:
        return 0
    lost = session.scalars(
        of_run.where(
            TaskInstance.state == TaskInstanceState.UPSTREAM_FAILED,
            or_(TaskInstance.end_date.is_(None), TaskInstance.end_date >= since),
        )
    ).all()
    # The run goes on: its clear number stays, and so does what the ledger says of it.
    clear_task_instances([*failed, *lost], session, dag_run_state=False, run_on_latest_version=False)
    session.flush()
    of_run_id = (DagRun.dag_id == dag_id, DagRun.run_id == run_id)
    bound = session.scalar(select(DagRun.created_dag_version_id).where(*of_run_id))
    # What failed keeps its row, of its try: from 3.4 on the next try has another one.
    for instance in session.scalars(of_run.where(TaskInstance.state.is_(None))).all():
        instance.dag_version_id = bound
    session.flush()
    return len(failed)
