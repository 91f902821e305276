"""Runs whose version or end nobody recorded."""

from __future__ import annotations

from collections.abc import Collection

from airflow.models.dagrun import DagRun
from airflow.sdk import timezone
from airflow.utils.state import DagRunState
from sqlalchemy import exists, func, or_, select
from sqlalchemy.orm import Session

from pinwheel.airflow3.reads.bound import BINDING, OUTCOME
from pinwheel.airflow3.reads.tries import word_of
from pinwheel.core.records import RunOutcome
from pinwheel.services.ports.reads import UnrecordedRun
from pinwheel.store import tables as t


def running_runs(session: Session) -> set[int]:
    """Ids of the running runs of managed Dags."""
    return set(
        session.scalars(
            select(DagRun.id)
            .join(t.dag, t.dag.c.dag_id == DagRun.dag_id)
            .where(DagRun.state == DagRunState.RUNNING)
        )
    )


def unrecorded_runs(session: Session, limit: int, watched: Collection[int]) -> list[UnrecordedRun]:
    """Running runs of managed Dags, and runs of these ids, without a binding for their clear number."""
    rows = session.execute(
        select(
            DagRun.id,
            DagRun.dag_id,
            DagRun.run_id,
            DagRun.clear_number,
            DagRun.created_dag_version_id.label("dag_version_id"),
            DagRun.bundle_version,
            DagRun.queued_at,
        )
        .join(t.dag, t.dag.c.dag_id == DagRun.dag_id)
        .where(
            or_(DagRun.state == DagRunState.RUNNING, DagRun.id.in_(watched)),
            ~exists().where(BINDING),
        )
        .limit(limit)
    )
    return [UnrecordedRun(**row._mapping) for row in rows]


def unrecorded_outcomes(
    session: Session, limit: int, watched: Collection[int], newest: int
) -> list[RunOutcome]:
    """Ends without an outcome, of so many of the newest runs and of runs of these ids, of managed Dags.

    Both lie in the primary key: Airflow has no index on when a run ended.
    """
    last = session.scalar(select(func.max(DagRun.id))) or 0
    rows = session.execute(
        select(
            DagRun.dag_id,
            DagRun.run_id,
            DagRun.clear_number,
            DagRun.state,
            DagRun.start_date,
            DagRun.end_date,
            DagRun.updated_at,
            DagRun.created_dag_version_id,
        )
        .join(t.dag, t.dag.c.dag_id == DagRun.dag_id)
        .where(
            or_(DagRun.id > last - newest, DagRun.id.in_(watched)),
            DagRun.state.in_([DagRunState.SUCCESS, DagRunState.FAILED]),
            ~exists().where(OUTCOME),
        )
        .order_by(DagRun.id)
        .limit(limit)
    )
    return [
        RunOutcome(
            dag_id=row.dag_id,
            run_id=row.run_id,
            seq=row.clear_number,
            state=word_of(row.state),
            ended_at=row.end_date or row.updated_at or timezone.utcnow(),
            dag_version_id=row.created_dag_version_id,
            started_at=row.start_date,
        )
        for row in rows
    ]
