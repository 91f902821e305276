"""Runs that carry the mark, and running ones that stand elsewhere than the ledger says."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

from airflow.jobs.job import Job
from airflow.models.dagrun import DagRun
from airflow.models.taskinstance import TaskInstance
from airflow.utils.state import DagRunState
from sqlalchemy import ColumnElement, Row, Select, and_, exists, func, or_, select
from sqlalchemy.orm import Session

from pinwheel.airflow3.reads.bound import BINDING
from pinwheel.airflow3.reads.tries import word_of
from pinwheel.core.run.mark import MARK
from pinwheel.services.ports.reads import JudgedRun
from pinwheel.store import tables as t
from pinwheel.store.start_rules import RuleKind

_MARKED: ColumnElement[bool] = DagRun.bundle_version.endswith(MARK, autoescape=True)


def unbound_runs(
    session: Session, states: Collection[str], limit: int, *, dag_ids: Collection[str] | None = None
) -> list[JudgedRun]:
    """Runs in these states that carry the mark, and queued ones that stand elsewhere than bound; by id."""
    queued = and_(DagRun.state == DagRunState.QUEUED, _elsewhere())
    wanted = [DagRunState(state) for state in sorted(states)]
    query = _runs().where(DagRun.state.in_(wanted), or_(_MARKED, queued))
    if dag_ids is not None:
        query = query.where(DagRun.dag_id.in_(sorted(dag_ids)))
    return [_judged(row) for row in session.execute(query.order_by(DagRun.id).limit(limit))]


def ended_unbound(
    session: Session, dag_ids: Collection[str], limit: int, since: datetime, newest: int
) -> list[JudgedRun]:
    """Runs of these Dags, of so many of the newest runs, that ended with the mark since then; by id.

    Airflow has no index on when a run ended.
    """
    last = session.scalar(select(func.max(DagRun.id))) or 0
    query = _runs().where(
        DagRun.id > last - newest,
        DagRun.dag_id.in_(sorted(dag_ids)),
        DagRun.state.in_([DagRunState.SUCCESS, DagRunState.FAILED]),
        _MARKED,
        or_(DagRun.end_date.is_(None), DagRun.end_date >= since),
    )
    return [_judged(row) for row in session.execute(query.order_by(DagRun.id).limit(limit))]


def astray_runs(session: Session, limit: int) -> list[JudgedRun]:
    """Running runs that carry the mark, or of dated Dags and not on what the ledger says; by id."""
    query = _runs().where(DagRun.state == DagRunState.RUNNING, or_(_MARKED, _elsewhere()))
    return [_judged(row) for row in session.execute(query.order_by(DagRun.id).limit(limit))]


def _elsewhere() -> ColumnElement[bool]:
    """Of a dated Dag, and not on what the ledger says, which is looked up for runs of these only."""
    dated = select(t.start_rule.c.dag_id).where(t.start_rule.c.kind == RuleKind.DATED.value)
    there = exists().where(
        BINDING,
        t.binding.c.dag_version_id.is_not_distinct_from(DagRun.created_dag_version_id),
        t.binding.c.bundle_version.is_not_distinct_from(DagRun.bundle_version),
    )
    return and_(DagRun.dag_id.in_(dated), ~there)


def row_ids(session: Session, dag_id: str, run_ids: Collection[str]) -> dict[str, int]:
    """The ids of the rows of those of the runs that exist."""
    rows = session.execute(
        select(DagRun.run_id, DagRun.id).where(DagRun.dag_id == dag_id, DagRun.run_id.in_(sorted(run_ids)))
    )
    return {row.run_id: row.id for row in rows}


def jobs_of(session: Session, ids: Collection[int]) -> dict[int, list[str]]:
    """By run id of a row: the scheduler jobs that made the run or queued its tasks, in words."""
    made = session.execute(
        select(DagRun.id, DagRun.creating_job_id).where(
            DagRun.id.in_(ids), DagRun.creating_job_id.is_not(None)
        )
    )
    queued = session.execute(
        select(DagRun.id, TaskInstance.queued_by_job_id)
        .join(TaskInstance, and_(TaskInstance.dag_id == DagRun.dag_id, TaskInstance.run_id == DagRun.run_id))
        .where(DagRun.id.in_(ids), TaskInstance.queued_by_job_id.is_not(None))
        .distinct()
    )
    jobs: dict[int, set[int]] = {}
    # Who queued tasks let the run start; who made it need not have.
    for row_id, job_id in [*made, *queued]:
        jobs.setdefault(row_id, set()).add(job_id)
    named = {job_id for found in jobs.values() for job_id in found}
    machines: dict[int, str | None] = {
        row.id: row.hostname for row in session.execute(select(Job.id, Job.hostname).where(Job.id.in_(named)))
    }
    return {
        row_id: [f"{job_id} on {machines.get(job_id) or 'an unknown machine'}" for job_id in sorted(found)]
        for row_id, found in jobs.items()
    }


def _runs() -> Select[Any]:
    return select(
        DagRun.id,
        DagRun.dag_id,
        DagRun.run_id,
        DagRun.state,
        DagRun.clear_number,
        DagRun.created_dag_version_id.label("dag_version_id"),
        DagRun.bundle_version,
        DagRun.queued_at,
        DagRun.start_date.label("started_at"),
        DagRun.end_date.label("ended_at"),
        DagRun.backfill_id,
    ).join(t.dag, t.dag.c.dag_id == DagRun.dag_id)


def _judged(row: Row[Any]) -> JudgedRun:
    return JudgedRun(**{**row._mapping, "state": word_of(row.state)})
