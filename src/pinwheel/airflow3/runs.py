"""Runs on a chosen version: creating one, rebinding and clearing others."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any
from uuid import UUID

from airflow.models.dag import DagModel
from airflow.models.dag_version import DagVersion
from airflow.models.dagbag import DBDagBag
from airflow.models.dagrun import DagRun
from airflow.models.taskinstance import TaskInstance, clear_task_instances
from airflow.sdk import timezone
from airflow.utils.state import DagRunState, State, TaskInstanceState
from airflow.utils.types import DagRunTriggeredByType, DagRunType
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from pinwheel.airflow3 import compat, deadlines, kept_assets
from pinwheel.airflow3.bound import BINDING, OUTCOME, VERSION
from pinwheel.core.errors import Conflict, InvalidInput, NotFound, Refused
from pinwheel.store import tables as t


def create_run(
    session: Session,
    dag_id: str,
    dag_version_id: UUID,
    *,
    bundle_version: str | None,
    run_id: str | None,
    logical_date: datetime | None,
    conf: dict[str, Any] | None,
    note: str | None,
    actor: str,
) -> tuple[str, int]:
    """Create a queued manual run bound to one version; return its run id and clear number.

    Its file is that of *bundle_version*, which may serve it under a path that the version's row does not.

    Its task instances, their queues, retries and mapping are those of that version from the start. The
    checks are those of Airflow's own trigger.

    :raises Refused: the Dag is retired or does not allow manual runs.
    :raises InvalidInput: ``conf`` or the run id do not fit the version's params.
    :raises Conflict: a run with this id or logical date exists.
    """
    version, dag = runnable(session, dag_id, dag_version_id)
    if dag.allowed_run_types is not None and DagRunType.MANUAL not in dag.allowed_run_types:
        raise Refused(
            f"Cannot run {dag_id}", found="the Dag does not allow manual runs", remedy="Use a backfill"
        )
    run_after = timezone.utcnow()
    logical_date = timezone.coerce_datetime(logical_date)
    interval = dag.timetable.infer_manual_data_interval(run_after=logical_date) if logical_date else None
    run_id = run_id or dag.timetable.generate_run_id(
        run_type=DagRunType.MANUAL, run_after=run_after, data_interval=interval
    )
    _check_new(session, dag_id, run_id, logical_date)
    try:
        run = compat.create_dagrun(
            dag,
            version,
            run_id=run_id,
            logical_date=logical_date,
            data_interval=interval,
            run_after=run_after,
            conf=conf,
            run_type=DagRunType.MANUAL,
            triggered_by=DagRunTriggeredByType.CLI,
            triggering_user_name=actor,
            state=DagRunState.QUEUED,
            note=note,
            session=session,
        )
    except ValueError as error:
        # Airflow's ParamValidationError is one too.
        raise InvalidInput(f"Cannot run {dag_id}", found=str(error), remedy="Correct the input") from error
    bind(session, run, dag, version, bundle_version)
    return run.run_id, run.clear_number


def runnable(session: Session, dag_id: str, dag_version_id: UUID) -> tuple[DagVersion, Any]:
    """A version and its Dag, for new runs on it.

    :raises Refused: the Dag is retired, so that no scheduler would start them.
    """
    model = session.get(DagModel, dag_id)
    version = session.get(DagVersion, dag_version_id)
    if model is None or version is None:
        raise NotFound(
            f"Cannot run {dag_id}", found="Airflow has no row of it", remedy="Try again in a few seconds"
        )
    if model.is_stale:
        raise Refused(
            f"Cannot run {dag_id}",
            found="it is retired: gone from its bundle",
            remedy=f"Promote a build of it first: pinwheel promote {dag_id} --build N",
        )
    dag = DBDagBag(load_op_links=False).get_dag(version.id, session)
    assert dag is not None
    return version, dag


def _check_new(session: Session, dag_id: str, run_id: str, logical_date: datetime | None) -> None:
    same_id = session.scalar(select(DagRun.id).where(DagRun.dag_id == dag_id, DagRun.run_id == run_id))
    if same_id is not None:
        raise Conflict(
            f"Cannot run {dag_id}", found=f"a run {run_id!r} exists", remedy="Choose another run id"
        )
    if logical_date is None:
        return
    same_date = session.scalar(
        select(DagRun.run_id).where(DagRun.dag_id == dag_id, DagRun.logical_date == logical_date)
    )
    if same_date is not None:
        raise Conflict(
            f"Cannot run {dag_id}",
            found=f"run {same_date!r} has logical date {logical_date.isoformat()}",
            remedy="Clear that run, or choose another date",
        )


def bind(session: Session, run: DagRun, dag: Any, version: DagVersion, bundle_version: str | None) -> None:
    """Make a new run of *dag*, as loaded from *version*, use it: row, task instances, deadlines, assets."""
    run.created_dag_version = version
    run.bundle_version = None if dag.disable_bundle_versioning else bundle_version
    session.flush()
    for ti in session.scalars(
        select(TaskInstance).where(TaskInstance.dag_id == run.dag_id, TaskInstance.run_id == run.run_id)
    ):
        ti.dag_version_id = version.id
    deadlines.of_new_run(session, run, dag)
    kept_assets.keep(session, run.dag_id, version.id, dag)


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
        elif not dag.has_task(ti.task_id) and ti.state in State.finished and ti.state != "removed":
            # It writes "removed" over the state of what the version lacks.
            compat.keep_result(session, ti)
    session.flush()
    run.dag = dag
    run.verify_integrity(session=session, dag_version_id=version.id)
    session.flush()
    return int(run.clear_number)


def versions(session: Session, bundle_name: str) -> set[str]:
    """The bundle versions of all runs of this bundle's Dags."""
    query = (
        select(DagRun.bundle_version)
        .join(DagModel, DagModel.dag_id == DagRun.dag_id)
        .where(DagModel.bundle_name == bundle_name, DagRun.bundle_version.is_not(None))
    )
    return {version for version in session.scalars(query.distinct()) if version is not None}


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


def clear(
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


def failed_runs(session: Session, dag_id: str, dag_version_ids: Collection[UUID]) -> list[str]:
    """Ids of runs that failed on one of these versions and were not run again since, oldest first.

    By their outcomes; of an end that was never recorded, by the version that the run is bound to.
    """
    return list(
        session.scalars(
            select(DagRun.run_id)
            .outerjoin(t.binding, BINDING)
            .outerjoin(t.outcome, OUTCOME)
            .where(
                DagRun.dag_id == dag_id,
                DagRun.state == DagRunState.FAILED,
                func.coalesce(t.outcome.c.state, "failed") == "failed",
                func.coalesce(t.outcome.c.dag_version_id, VERSION).in_(list(dag_version_ids)),
            )
            .order_by(DagRun.run_after)
        )
    )


def _run(session: Session, dag_id: str, run_id: str) -> DagRun:
    run = session.scalar(select(DagRun).where(DagRun.dag_id == dag_id, DagRun.run_id == run_id))
    if run is None:
        raise NotFound(
            f"Cannot find run {run_id} of {dag_id}",
            found="Airflow has no such run",
            remedy="Check the run id",
        )
    return run
