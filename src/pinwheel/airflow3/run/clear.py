"""Runs that exist, bound to a chosen version and run again."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any
from uuid import UUID

from airflow.models.dag_version import DagVersion
from airflow.models.dagbag import DBDagBag
from airflow.models.dagrun import DagRun
from airflow.models.taskinstance import TaskInstance, clear_task_instances
from airflow.sdk import timezone
from airflow.utils.state import DagRunState, State, TaskInstanceState
from sqlalchemy import select
from sqlalchemy.orm import Session

from pinwheel.airflow3 import compat
from pinwheel.airflow3.rows import deadlines, kept_assets
from pinwheel.core.errors import NotFound, Refused


def rebind(
    session: Session, dag_id: str, run_id: str, dag_version_id: UUID, bundle_version: str | None
) -> int:
    """Bind a finished or queued run to another version and return its clear number.

    Task instances that never ran are made anew from that version; those that ran keep their record.
    """
    run = _run(session, dag_id, run_id)
    version = session.get(DagVersion, dag_version_id)
    assert version is not None
    if run.state == DagRunState.RUNNING:
        raise Refused(
            f"Cannot bind run {run_id} of {dag_id} to another build",
            found="it is running",
            remedy="Wait until it ends, or mark it failed, then clear it",
        )
    dag = DBDagBag(load_op_links=False).get_dag(version.id, session)
    assert dag is not None
    run.created_dag_version = version
    run.bundle_version = None if dag.disable_bundle_versioning else bundle_version
    for ti in session.scalars(
        select(TaskInstance).where(TaskInstance.dag_id == dag_id, TaskInstance.run_id == run_id)
    ).all():
        if ti.state is None and ti.try_number == 0:
            # Airflow's integrity check leaves queue, pool and priority of existing rows as they were.
            session.delete(ti)
        elif not dag.has_task(ti.task_id) and ti.state != TaskInstanceState.REMOVED:
            # It would warn of what the version lacks, in a plan too, and keep nothing of it.
            ended = ti.state in State.finished
            present = compat.keep_result(session, ti) if ended else ti
            present.state = TaskInstanceState.REMOVED
    session.flush()
    run.dag = dag
    run.verify_integrity(session=session, dag_version_id=version.id)
    session.flush()
    return int(run.clear_number)


def would_clear(
    session: Session,
    dag_id: str,
    run_id: str,
    *,
    of: Collection[str],
    only_failed: bool,
    task_ids: Collection[str] | None = None,
) -> bool:
    """Whether :func:`clear` of some tasks on a version with the tasks *of* finds something to run again."""
    run = _run(session, dag_id, run_id)
    wanted = {ti.task_id for ti in session.scalars(_wanted(dag_id, run_id, only_failed, task_ids))}
    if run.state == DagRunState.FAILED and (wanted or task_ids is None):
        # What failed is gone in that version, or no task failed (a timeout): what is new in it has to run.
        return True
    return not wanted.isdisjoint(of)


def _wanted(dag_id: str, run_id: str, only_failed: bool, task_ids: Collection[str] | None) -> Any:
    query = select(TaskInstance).where(TaskInstance.dag_id == dag_id, TaskInstance.run_id == run_id)
    if only_failed:
        query = query.where(
            TaskInstance.state.in_([TaskInstanceState.FAILED, TaskInstanceState.UPSTREAM_FAILED])
        )
    if task_ids is not None:
        query = query.where(TaskInstance.task_id.in_(list(task_ids)))
    return query


def clear_run(
    session: Session,
    dag_id: str,
    run_id: str,
    *,
    dag_version_id: UUID | None,
    bundle_version: str | None,
    only_failed: bool,
    task_ids: Collection[str] | None = None,
) -> tuple[int, int, UUID | None, str | None]:
    """Clear task instances of a run, bound to *dag_version_id* and *bundle_version* if they are given.

    Returns how many were cleared and the run's clear number, version and bundle version. Tasks that the
    version does not have are not cleared: they could only fail. The run is bound whether or not there is
    something to clear: see :func:`would_clear`.
    """
    run = _run(session, dag_id, run_id)
    of_run = select(TaskInstance).where(TaskInstance.dag_id == dag_id, TaskInstance.run_id == run_id)
    query = _wanted(dag_id, run_id, only_failed, task_ids)
    if dag_version_id is not None:
        rebind(session, dag_id, run_id, dag_version_id, bundle_version)
    version_id = dag_version_id or run.created_dag_version_id
    dag = DBDagBag(load_op_links=False).get_dag(version_id, session) if version_id else None
    tis = [ti for ti in session.scalars(query) if dag is None or dag.has_task(ti.task_id)]
    goes_on = version_id is not None and dag is not None and (bool(tis) or dag_version_id is not None)
    taken = deadlines.take(session, run, all_alerts=dag_version_id is not None) if goes_on else set()
    cleared = {(ti.task_id, ti.map_index) for ti in tis}
    clear_task_instances(tis, session, run_on_latest_version=False)
    if dag_version_id is not None:
        # Read anew: from 3.4 on a clear archives the row of the try before and adds another one.
        for ti in session.scalars(of_run.where(TaskInstance.state.is_(None))):
            if (ti.task_id, ti.map_index) in cleared:
                ti.dag_version_id = dag_version_id
    if not tis and dag_version_id is not None:
        # The tasks are gone in this version; what is new in it still has to run.
        run.state = DagRunState.QUEUED
        run.clear_number += 1
        run.queued_at = timezone.utcnow()
    session.flush()
    if goes_on:
        kept_assets.keep(session, dag_id, version_id, dag)
        deadlines.give(session, run, dag, only=None if dag_version_id is not None else taken)
    return len(tis), run.clear_number, run.created_dag_version_id, run.bundle_version


def _run(session: Session, dag_id: str, run_id: str) -> DagRun:
    run = session.scalar(select(DagRun).where(DagRun.dag_id == dag_id, DagRun.run_id == run_id))
    if run is None:
        raise NotFound(
            f"Cannot find run {run_id} of {dag_id}",
            found="Airflow has no such run",
            remedy="Check the run id",
        )
    return run
