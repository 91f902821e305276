"""Reads for the history's grid: a page of runs, and states of some tasks in some runs. All are bounded."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from airflow.models.dagrun import DagRun
from airflow.models.taskinstance import TaskInstance
from sqlalchemy import Table, and_, func, or_, select
from sqlalchemy.orm import Session

from pinwheel.airflow3.compat import airflow_34_plus
from pinwheel.airflow3.reads.tries import map_index_of, of_present
from pinwheel.core.chunks import chunks
from pinwheel.services.ports.reads import GridRun, InstanceGroup, InstanceRow

_ANY_VERSION = "\ue000" * 40
"""Stands for a version in a rendered URL: a private character, which is in no template."""


def run_page(
    session: Session, dag_id: str, *, until: str | None, limit: int
) -> tuple[list[GridRun], str | None]:
    """Runs from *until* on, newest first, at most *limit* and one more; and where the page before starts.

    Without *until*: from the newest on. The second value is None when there are no newer ones. An unknown run
    gives no runs.
    """
    columns = (
        DagRun.id,
        DagRun.run_id,
        DagRun.state,
        DagRun.run_type,
        DagRun.logical_date,
        DagRun.run_after,
        DagRun.queued_at,
        DagRun.start_date,
        DagRun.end_date,
        DagRun.clear_number,
        DagRun.created_dag_version_id,
        DagRun.bundle_version,
    )
    of_dag = select(*columns).where(DagRun.dag_id == dag_id)
    newest_first = (DagRun.run_after.desc(), DagRun.id.desc())
    newer: str | None = None
    if until is not None:
        first = session.execute(of_dag.where(DagRun.run_id == until)).one_or_none()
        if first is None:
            return [], None
        same_time = DagRun.run_after == first.run_after
        before = session.execute(
            select(DagRun.run_id)
            .where(
                DagRun.dag_id == dag_id,
                or_(DagRun.run_after > first.run_after, and_(same_time, DagRun.id > first.id)),
            )
            .order_by(DagRun.run_after, DagRun.id)
            .limit(limit)
        ).all()
        newer = before[-1].run_id if before else None
        of_dag = of_dag.where(or_(DagRun.run_after < first.run_after, and_(same_time, DagRun.id <= first.id)))
    rows = session.execute(of_dag.order_by(*newest_first).limit(limit + 1))
    return [
        GridRun(
            run_id=row.run_id,
            state=str(row.state),
            run_type=str(row.run_type),
            logical_date=row.logical_date,
            run_after=row.run_after,
            queued_at=row.queued_at,
            start_date=row.start_date,
            end_date=row.end_date,
            clear_number=row.clear_number,
            dag_version_id=row.created_dag_version_id,
            bundle_version=row.bundle_version,
        )
        for row in rows
    ], newer


def versions_of_instances(session: Session, dag_id: str, run_ids: Collection[str]) -> dict[str, set[UUID]]:
    """By run: the versions that Airflow's rows of its tries name."""
    found: dict[str, set[UUID]] = {}
    for table in _try_tables():
        for chunk in chunks(sorted(set(run_ids))):
            rows = session.execute(
                select(table.c.run_id, table.c.dag_version_id)
                .where(
                    table.c.dag_id == dag_id,
                    table.c.run_id.in_(chunk),
                    table.c.dag_version_id.is_not(None),
                    table.c.start_date.is_not(None),
                )
                .distinct()
            )
            for run_id, version_id in rows:
                found.setdefault(run_id, set()).add(version_id)
    return found


def instance_groups(
    session: Session, dag_id: str, run_ids: Collection[str], task_ids: Collection[str]
) -> list[InstanceGroup]:
    """Present task instances, those of one run, task, state and version counted together."""
    table: Table = TaskInstance.__table__
    c = table.c
    found = []
    for runs in chunks(sorted(set(run_ids))):
        for tasks in chunks(sorted(set(task_ids))):
            rows = session.execute(
                select(
                    c.run_id,
                    c.task_id,
                    c.state,
                    c.dag_version_id,
                    func.count(),
                    func.max(c.try_number),
                    func.max(map_index_of(table)),
                )
                .where(c.dag_id == dag_id, c.run_id.in_(runs), c.task_id.in_(tasks), *of_present(table))
                .group_by(c.run_id, c.task_id, c.state, c.dag_version_id)
            )
            found += [InstanceGroup(*row) for row in rows]
    return found


def instance_rows(
    session: Session, dag_id: str, run_id: str, *, task_id: str | None = None
) -> list[InstanceRow]:
    """Present task instances of one run, by task and map index; of one task, if one is given."""
    table: Table = TaskInstance.__table__
    c = table.c
    query = (
        select(c.task_id, map_index_of(table).label("map_index"), c.state, c.try_number, c.start_date)
        .where(c.dag_id == dag_id, c.run_id == run_id, *of_present(table))
        .order_by(c.task_id, map_index_of(table))
    )
    if task_id is not None:
        query = query.where(c.task_id == task_id)
    return [InstanceRow(*row) for row in session.execute(query)]


def _try_tables() -> list[Table]:
    """Every table that holds tries. Remove the first branch when the minimum is 3.4."""
    table: Table = TaskInstance.__table__
    if not airflow_34_plus():
        from airflow.models.taskinstancehistory import TaskInstanceHistory

        return [table, TaskInstanceHistory.__table__]
    return [table]
