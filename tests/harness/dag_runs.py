"""The runs of one Dag, made as Airflow makes them, and what became of them: in process."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from airflow.models.dag import DagModel
from airflow.models.dagbag import DBDagBag
from airflow.models.dagrun import DagRun
from airflow.models.taskinstance import TaskInstance
from airflow.sdk import timezone
from airflow.utils.session import create_session
from airflow.utils.state import DagRunState
from airflow.utils.types import DagRunTriggeredByType, DagRunType
from attrs import frozen
from sqlalchemy import select, update

from pinwheel.core.run.binding import Binding
from pinwheel.store import bindings


@frozen
class Came:
    """A run as Airflow's rows have it."""

    state: str
    bundle_version: str | None
    dag_version_id: UUID | None
    tasks: Mapping[str, str | None]
    versions: set[UUID | None]
    """Rows that its instances name, but for those that were removed."""

    @property
    def present(self) -> set[str]:
        return {task_id for task_id, state in self.tasks.items() if state != "removed"}


class DagRuns:
    """Of a Dag that has a release."""

    def __init__(self, host: Any, dag_id: str) -> None:
        self.host = host
        self.dag_id = dag_id

    def unpause(self) -> None:
        with create_session() as session:
            session.execute(update(DagModel).where(DagModel.dag_id == self.dag_id).values(is_paused=False))

    def ids(self) -> list[str]:
        """All runs, by the time from which on they may run."""
        query = select(DagRun.run_id).where(DagRun.dag_id == self.dag_id)
        with create_session() as session:
            return list(session.scalars(query.order_by(DagRun.run_after, DagRun.run_id)))

    def run(self, date: datetime | None, *, run_type: str = "manual", **more: Any) -> str:
        """A queued run as Airflow's API, scheduler and backfills make it: all in one function."""
        with create_session() as session:
            dag = DBDagBag(load_op_links=False).get_latest_version_of_dag(self.dag_id, session=session)
            assert dag is not None
            interval = more.pop("data_interval", (date, date) if date else None)
            run = dag.create_dagrun(
                run_id=f"{run_type}__{uuid4().hex[:10]}",
                logical_date=date,
                data_interval=interval,
                run_after=more.pop("run_after", timezone.utcnow() - timedelta(seconds=2)),
                run_type=DagRunType(run_type),
                triggered_by=DagRunTriggeredByType.TEST,
                state=DagRunState.QUEUED,
                session=session,
                **more,
            )
            return str(run.run_id)

    def came(self, run_id: str) -> Came:
        with create_session() as session:
            run = session.scalars(
                select(DagRun).where(DagRun.dag_id == self.dag_id, DagRun.run_id == run_id)
            ).one()
            rows = session.scalars(
                select(TaskInstance).where(TaskInstance.dag_id == self.dag_id, TaskInstance.run_id == run_id)
            )
            tasks, versions = {}, set()
            for row in rows:
                state = None if row.state is None else str(getattr(row.state, "value", row.state))
                tasks[row.task_id] = state
                if state != "removed":
                    versions.add(row.dag_version_id)
            state = str(getattr(run.state, "value", run.state))
            return Came(state, run.bundle_version, run.created_dag_version_id, tasks, versions)

    def bindings(self, run_id: str) -> list[Binding]:
        with create_session() as session:
            return bindings.of_runs(session, self.dag_id, [run_id]).get(run_id, [])

    def clear(self, run_id: str, **more: Any) -> None:
        """As Airflow's UI and API clear a run."""
        with create_session() as session:
            dag = DBDagBag(load_op_links=False).get_latest_version_of_dag(self.dag_id, session=session)
            assert dag is not None
            dag.clear(run_id=run_id, session=session, dag_run_state=DagRunState.QUEUED, **more)

    def set_run(self, run_id: str, **values: Any) -> None:
        with create_session() as session:
            of_run = (DagRun.dag_id == self.dag_id, DagRun.run_id == run_id)
            session.execute(update(DagRun).where(*of_run).values(**values))
