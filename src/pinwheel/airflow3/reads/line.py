"""A Dag's runs along the line of its releases: what each runs on now and what came of it."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from airflow.models.dagrun import DagRun
from sqlalchemy import and_, func, or_, select
from sqlalchemy.orm import Session

from pinwheel.airflow3.reads import outcomes
from pinwheel.airflow3.reads.bound import BINDING, VERSION
from pinwheel.airflow3.reads.tries import word_of
from pinwheel.services.ports.reads import PlacedRun
from pinwheel.store import tables as t

_AT = func.coalesce(DagRun.start_date, DagRun.queued_at, DagRun.created_at)


def placed_runs(
    session: Session, dag_id: str, *, since: datetime | None, before: datetime | None, limit: int
) -> list[PlacedRun]:
    """Runs that began (or else were queued) in a span of time, newest first."""
    query = (
        select(
            DagRun.run_id,
            DagRun.state,
            DagRun.run_type,
            DagRun.logical_date,
            DagRun.start_date,
            DagRun.end_date,
            _AT.label("at"),
            VERSION.label("version"),
            t.binding.c.bound_by,
        )
        .outerjoin(t.binding, BINDING)
        .where(DagRun.dag_id == dag_id)
        .order_by(_AT.desc(), DagRun.id.desc())
        .limit(limit)
    )
    if since is not None:
        query = query.where(since <= _AT)
    if before is not None:
        query = query.where(before > _AT)
    return [
        PlacedRun(
            run_id=row.run_id,
            state=word_of(row.state),
            run_type=word_of(row.run_type),
            at=row.at,
            logical_date=row.logical_date,
            start_date=row.start_date,
            end_date=row.end_date,
            dag_version_id=row.version,
            bound_by=row.bound_by,
        )
        for row in session.execute(query)
    ]


def earlier_ends(
    session: Session, dag_id: str, *, since: datetime | None, before: datetime | None, limit: int
) -> list[PlacedRun]:
    """What runs came to before they were run again or removed, by the recorded ends, newest first."""
    o = t.outcome.c
    query = (
        select(o.run_id, o.state, o.ended_at, o.dag_version_id, DagRun.run_type, DagRun.logical_date)
        .select_from(t.outcome)
        .outerjoin(DagRun, and_(DagRun.dag_id == o.dag_id, DagRun.run_id == o.run_id))
        .where(o.dag_id == dag_id, or_(DagRun.id.is_(None), DagRun.clear_number > o.seq))
        .order_by(o.ended_at.desc(), o.run_id, o.seq.desc())
        .limit(limit)
    )
    if since is not None:
        query = query.where(o.ended_at >= since)
    if before is not None:
        query = query.where(o.ended_at < before)
    return [
        PlacedRun(
            run_id=row.run_id,
            state=row.state,
            run_type=word_of(row.run_type) if row.run_type is not None else "",
            at=row.ended_at,
            logical_date=row.logical_date,
            start_date=None,
            end_date=row.ended_at,
            dag_version_id=row.dag_version_id,
            bound_by=None,
        )
        for row in session.execute(query)
    ]


def run_counts(session: Session, dag_id: str) -> dict[UUID | None, dict[str, int]]:
    """How many runs came to what on each version, or are under way on it."""
    return outcomes.counts(session, of_runs=DagRun.dag_id == dag_id, of_outcomes=t.outcome.c.dag_id == dag_id)
