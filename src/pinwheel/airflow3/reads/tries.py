"""Every try of every task instance, as Airflow's rows have them, without those that never began."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from airflow.models.dagrun import DagRun
from airflow.models.taskinstance import TaskInstance
from sqlalchemy import Row, Table, func, select
from sqlalchemy.orm import Session

from pinwheel.airflow3.compat import airflow_34_plus
from pinwheel.core.chunks import chunks
from pinwheel.core.run.binding import Present
from pinwheel.core.run.executed import PENDING
from pinwheel.services.ports.reads import AirflowRun, AirflowTry

_OF_RUN = (
    DagRun.run_id,
    DagRun.state,
    DagRun.clear_number,
    DagRun.created_dag_version_id,
    DagRun.bundle_version,
)


def runs(session: Session, dag_id: str, *, run_id: str | None, limit: int) -> list[AirflowRun]:
    """A Dag's runs, newest first."""
    query = select(*_OF_RUN).where(DagRun.dag_id == dag_id)
    if run_id is not None:
        query = query.where(DagRun.run_id == run_id)
    query = query.order_by(DagRun.run_after.desc(), DagRun.id.desc()).limit(limit)
    return [_run(row) for row in session.execute(query)]


def count_runs(session: Session, dag_id: str) -> int:
    """How many runs the Dag has."""
    return session.scalar(select(func.count()).select_from(DagRun).where(DagRun.dag_id == dag_id)) or 0


def some_runs(session: Session, dag_id: str, run_ids: Collection[str]) -> dict[str, AirflowRun]:
    """Those of the runs that exist, by id."""
    found = {}
    for chunk in chunks(sorted(set(run_ids))):
        rows = session.execute(select(*_OF_RUN).where(DagRun.dag_id == dag_id, DagRun.run_id.in_(chunk)))
        found.update({row.run_id: _run(row) for row in rows})
    return found


def _run(row: Any) -> AirflowRun:
    return AirflowRun(
        run_id=row.run_id,
        state=str(row.state),
        clear_number=row.clear_number,
        dag_version_id=row.created_dag_version_id,
        bundle_version=row.bundle_version,
    )


def tries(
    session: Session,
    dag_id: str,
    run_ids: Collection[str],
    *,
    task_id: str | None = None,
    task_ids: Collection[str] | None = None,
) -> list[AirflowTry]:
    """Tries of these runs by run, task, map index and try number: those that ``core.run.executed`` keeps."""
    if task_id is not None:
        task_ids = [task_id]
    return AirflowTry.of(_rows(session, dag_id, run_ids, task_ids))


def present(session: Session, dag_id: str, run_ids: Collection[str]) -> dict[str, list[Present]]:
    """By run: its task instances as they stand, with the number of the last try of each."""
    table: Table = TaskInstance.__table__
    c = table.c
    found: dict[str, list[Present]] = {}
    for chunk in chunks(sorted(set(run_ids))):
        rows = session.execute(
            select(c.run_id, c.task_id, map_index_of(table).label("map_index"), c.try_number, c.state).where(
                c.dag_id == dag_id, c.run_id.in_(chunk), *of_present(table)
            )
        )
        for row in rows:
            found.setdefault(row.run_id, []).append(
                Present(
                    task_id=row.task_id,
                    map_index=row.map_index,
                    begun=begun(row.try_number, row.state),
                    state=row.state,
                )
            )
    return found


def begun(try_number: int, state: str | None) -> int:
    """Number of the last try that began, of a task instance's present row.

    A try that is ``scheduled`` has its number already, and what it executes is fixed when it is queued. Up to
    3.3 only that one; from 3.4 on a clear and a retry add a row with the number of the try to come
    (``models/taskinstance.py``, ``prepare_db_for_next_try``). Remove the first when the minimum is 3.4.
    """
    to_come = PENDING - {"queued"} if airflow_34_plus() else {"scheduled"}
    return max(try_number - (state in to_come), 0)


def of_present(table: Table) -> tuple[Any, ...]:
    """Up to 3.3 earlier tries lie in a table of their own. Remove when the minimum is 3.4."""
    return (table.c.working_set.is_(True),) if airflow_34_plus() else ()


def _rows(
    session: Session, dag_id: str, run_ids: Collection[str], task_ids: Collection[str] | None
) -> Iterable[tuple[bool, Row[Any]]]:
    """Rows with True for an earlier try, False for the present one.

    Up to 3.3 earlier tries lie in a table of their own; from 3.4 on they are rows of ``task_instance`` with
    an empty ``working_set``, which queries on the class (not on its table) leave out. Remove the first
    branch when the minimum is 3.4.
    """
    for chunk in chunks(sorted(set(run_ids))):
        table: Table = TaskInstance.__table__
        if airflow_34_plus():
            for row in session.execute(_select(table, dag_id, chunk, task_ids, table.c.working_set)):
                yield row.working_set is None, row
            continue
        from airflow.models.taskinstancehistory import TaskInstanceHistory

        history: Table = TaskInstanceHistory.__table__
        for row in session.execute(_select(history, dag_id, chunk, task_ids)):
            yield True, row
        for row in session.execute(_select(table, dag_id, chunk, task_ids)):
            yield False, row


def map_index_of(table: Table) -> Any:
    """The column of the map index, which 3.4 calls ``region_index``."""
    return table.c.map_index if "map_index" in table.c else table.c.region_index


def word_of(value: Any) -> str:
    """The plain text of a state or a run type, which a row holds as text or as a member of Airflow's enum."""
    return str(getattr(value, "value", value))


def _select(
    table: Table, dag_id: str, run_ids: Sequence[str], task_ids: Collection[str] | None, *more: Any
) -> Any:
    c = table.c
    query = select(
        c.run_id,
        c.task_id,
        map_index_of(table).label("map_index"),
        c.try_number,
        c.state,
        c.start_date,
        c.end_date,
        c.dag_version_id,
        *more,
    ).where(c.dag_id == dag_id, c.run_id.in_(run_ids))
    return query if task_ids is None else query.where(c.task_id.in_(sorted(set(task_ids))))
