"""A run that has not ended, put on another version: by its date, in the scheduler or ahead of it.

Unlike :mod:`pinwheel.airflow3.run.clear` this is for runs that nobody chose a build for, and it takes no lock
of ours: in the scheduler that could only end in a deadlock with a release.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from airflow.models.dag_version import DagVersion
from airflow.models.dagbag import DBDagBag
from airflow.models.dagrun import DagRun
from airflow.models.taskinstance import TaskInstance
from airflow.utils.state import State, TaskInstanceState
from sqlalchemy import delete, or_, select
from sqlalchemy.orm import Session

from pinwheel.airflow3 import compat
from pinwheel.airflow3.reads.tries import begun
from pinwheel.airflow3.rows import deadlines
from pinwheel.airflow3.run.held import move_back
from pinwheel.core.errors import Refused

_MOST = 200
"""So many versions' Dags a process remembers. Airflow's bag of them has no end; it sees changes itself."""
_bag: list[DBDagBag] = []
_loaded: set[UUID] = set()


def rebind_run(
    session: Session, dag_id: str, run_id: str, *, dag_version_id: UUID, bundle_version: str
) -> None:
    """Put a run on a version: row, task instances, deadlines. See the port.

    :raises Refused: the version is gone, or the run's task instances are not its tasks then.
    """
    run = session.scalars(select(DagRun).where(DagRun.dag_id == dag_id, DagRun.run_id == run_id)).one()
    version = session.get(DagVersion, dag_version_id)
    dag = _dag_of(session, dag_version_id) if version is not None else None
    if version is None or dag is None:
        raise _cannot(run, "the version row of its build and date is gone", "It is made again by itself")
    stays = run.created_dag_version_id == dag_version_id and _differing(session, run, dag) is None
    run.created_dag_version = version
    run.bundle_version = bundle_version
    move_back(session, run)
    if stays:
        session.flush()
        return
    _make_anew(session, run, dag, dag_version_id)
    differing = _differing(session, run, dag)
    if differing is not None:
        # Airflow leaves out tasks whose own dates do not hold the run's logical date, say.
        raise _cannot(run, differing, "See why with pinwheel timeline check, or clear the run on a build")
    if run.clear_number:
        deadlines.take(session, run, all_alerts=True)
        deadlines.give(session, run, dag)
    else:
        deadlines.of_new_run(session, run, dag)


def _make_anew(session: Session, run: DagRun, dag: Any, dag_version_id: UUID) -> None:
    """Let the run's task instances be those of the version; what ran keeps its record."""
    of_run = (TaskInstance.dag_id == run.dag_id, TaskInstance.run_id == run.run_id)
    # Airflow's integrity check leaves queue, pool and retries of existing rows as they were.
    never_ran = (TaskInstance.state.is_(None), TaskInstance.try_number == 0)
    session.execute(delete(TaskInstance).where(*of_run, *never_ran).execution_options(**_AS_IT_IS))
    # It marks nothing removed while the run is running, and for the scheduler this one is.
    for instance in session.scalars(select(TaskInstance).where(*of_run, _is_there())).all():
        if not dag.has_task(instance.task_id):
            ended = instance.state in State.finished
            present = compat.keep_result(session, instance) if ended else instance
            present.state = TaskInstanceState.REMOVED
    session.flush()
    run.dag = dag
    run.verify_integrity(session=session, dag_version_id=dag_version_id)
    # After it: what was removed and is back has what the version had that it was cleared to.
    for instance in session.scalars(select(TaskInstance).where(*of_run, TaskInstance.state.is_(None))).all():
        if dag.has_task(instance.task_id):
            task = dag.get_task(instance.task_id)
            instance.refresh_from_task(task, dag_run=run)
            # As a clear counts: so many retries from here on.
            instance.max_tries = begun(instance.try_number, None) + task.retries
            instance.dag_version_id = dag_version_id
    session.flush()


_AS_IT_IS = {"synchronize_session": False}


def _is_there() -> Any:
    return or_(TaskInstance.state.is_(None), TaskInstance.state != TaskInstanceState.REMOVED)


def _differing(session: Session, run: DagRun, dag: Any) -> str | None:
    """How the run's task instances differ from the version's tasks, mapped ones counted once; None: not."""
    query = select(TaskInstance.task_id).where(
        TaskInstance.dag_id == run.dag_id, TaskInstance.run_id == run.run_id, _is_there()
    )
    found, wanted = set(session.scalars(query.distinct())), set(dag.task_dict)
    if found == wanted:
        return None
    parts = [
        f"{words} {', '.join(sorted(ids)[:5])}{' …' if len(ids) > 5 else ''}"
        for words, ids in (("without", wanted - found), ("also with", found - wanted))
        if ids
    ]
    return f"its task instances are not the tasks of its build and date: {'; '.join(parts)}"


def _dag_of(session: Session, dag_version_id: UUID) -> Any:
    if not _bag or (len(_loaded) >= _MOST and dag_version_id not in _loaded):
        _bag[:] = [DBDagBag(load_op_links=False)]
        _loaded.clear()
    _loaded.add(dag_version_id)
    return _bag[0].get_dag(dag_version_id, session)


def _cannot(run: DagRun, found: str, remedy: str) -> Refused:
    return Refused(
        f"Cannot bind run {run.run_id} of {run.dag_id} by its date",
        found=found,
        remedy=remedy,
        dag_id=run.dag_id,
        run_id=run.run_id,
    )
