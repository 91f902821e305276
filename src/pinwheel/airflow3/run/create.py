"""Runs on a chosen version: creating one, and what binds it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

from airflow.models.dag import DagModel
from airflow.models.dag_version import DagVersion
from airflow.models.dagbag import DBDagBag
from airflow.models.dagrun import DagRun
from airflow.models.taskinstance import TaskInstance
from airflow.sdk import timezone
from airflow.utils.state import DagRunState
from airflow.utils.types import DagRunTriggeredByType, DagRunType
from sqlalchemy import select
from sqlalchemy.orm import Session

from pinwheel.airflow3 import compat
from pinwheel.airflow3.rows import deadlines, kept_assets
from pinwheel.core.errors import Conflict, InvalidInput, NotFound, Refused
from pinwheel.core.run.dates import RunDates


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
    of_its_dates: Callable[[RunDates], UUID | None] | None = None,
) -> tuple[str, int]:
    """Create a queued manual run bound to one version; return its run id and clear number. See the port.

    Its file is that of *bundle_version*, which may serve it under a path that the version's row does not.

    Its task instances, their queues, retries and mapping are those of that version from the start. The
    checks are those of Airflow's own trigger.

    :raises Refused: the Dag is retired or does not allow manual runs.
    :raises InvalidInput: ``conf`` or the run id do not fit the version's params.
    :raises Conflict: a run with this id or logical date exists.
    """
    version, dag = runnable(session, dag_id, dag_version_id)
    run_after = timezone.utcnow()
    logical_date = timezone.coerce_datetime(logical_date)
    interval = dag.timetable.infer_manual_data_interval(run_after=logical_date) if logical_date else None
    if of_its_dates is not None:
        dates = RunDates(
            data_interval_start=interval.start if interval is not None else None,
            logical_date=logical_date,
            run_after=run_after,
        )
        version, dag = runnable(session, dag_id, of_its_dates(dates) or dag_version_id)
    if dag.allowed_run_types is not None and DagRunType.MANUAL not in dag.allowed_run_types:
        raise Refused(
            f"Cannot run {dag_id}", found="the Dag does not allow manual runs", remedy="Use a backfill"
        )
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
