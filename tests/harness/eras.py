"""A Dag with three builds of other tasks each, and two eras: what tests of binding by date stand on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from airflow.models.dag import DagModel
from airflow.models.dag_version import DagVersion
from airflow.models.dagbag import DBDagBag
from airflow.models.dagrun import DagRun
from airflow.models.taskinstance import TaskInstance
from airflow.sdk import timezone
from airflow.utils.session import create_session
from airflow.utils.state import DagRunState
from airflow.utils.types import DagRunTriggeredByType, DagRunType
from attrs import frozen
from sqlalchemy import select, update

from harness.seed import Seeder
from pinwheel.core.run.binding import Binding
from pinwheel.core.run.mark import marked
from pinwheel.core.run.timeline import Era
from pinwheel.store import bindings, start_rules, timelines
from pinwheel.store import tables as t
from pinwheel.store.start_rules import RuleKind

TASKS = {
    1: {"start", "onprem", "load"},
    2: {"start", "cloud", "audit", "load"},
    3: {"start", "cloud", "publish"},
}
"""By build."""
DATES = {
    1: datetime(2019, 6, 1, tzinfo=UTC),
    2: datetime(2022, 6, 1, tzinfo=UTC),
    3: datetime(2025, 6, 1, tzinfo=UTC),
}
"""By build: a date whose runs execute it."""
EDGES = (datetime(2021, 1, 1, tzinfo=UTC), datetime(2024, 1, 1, tzinfo=UTC))

_SOURCE = """
    import datetime
    from airflow.sdk import DAG, DeadlineAlert, DeadlineReference, task
    from airflow.sdk.definitions.callback import AsyncCallback

    with DAG(
        "{dag_id}", schedule={schedule}, start_date=datetime.datetime({start}, 1, 1), catchup=False,
        max_active_runs=1000, max_active_tasks=1000{dag_args}
    ):
        made = {{}}
        for name in {names}:
            @task(task_id=name{task_args})
            def it():
                print("build {build}")
            made[name] = it()
        for name, one in made.items():
            if name != "start":
                made["start"] >> one
"""


def source(dag_id: str, build: int, **more: Any) -> str:
    parts = {"schedule": None, "start": 2018, "dag_args": "", "task_args": "", "names": sorted(TASKS[build])}
    return _SOURCE.format(dag_id=dag_id, build=build, **{**parts, **more})


def build_of(date: datetime) -> int:
    """The build that runs of a date execute."""
    return 1 + sum(date >= edge for edge in EDGES)


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


class Dated:
    """A Dag whose data of before 2021 is for build 1, of before 2024 for build 2, and of since for the active
    release, which is build 3.
    """

    def __init__(
        self,
        root: Path,
        dag_id: str = "blog",
        *,
        eras: bool = True,
        by_build: Mapping[int, Any] | None = None,
    ) -> None:
        self.seeder = Seeder(root, f"bundle-of-{dag_id}")
        self.host = self.seeder.host
        self.dag_id = dag_id
        self.versions: dict[int, str] = {}
        for build in (1, 2, 3):
            more = (by_build or {}).get(build, {})
            self.versions[build] = self.seeder.push({f"{dag_id}.py": source(dag_id, build, **more)})
        with create_session() as session:
            session.execute(update(DagModel).where(DagModel.dag_id == dag_id).values(is_paused=False))
        if eras:
            self.set_eras()

    def set_eras(self, eras: Sequence[Era] | None = None, *, revision: int = 1) -> None:
        """Set the timeline, and with it the rule and the mark."""
        with create_session() as session:
            found = self.eras(session) if eras is None else eras
            timelines.add(
                session,
                timelines.Change(
                    dag_id=self.dag_id,
                    revision=revision,
                    verb="set",
                    actor="ada",
                    reason=None,
                    at=timezone.utcnow(),
                    request_id=None,
                ),
                found,
            )
            start_rules.add(session, [self.dag_id], RuleKind.DATED, now=timezone.utcnow())
        self.mark()

    def eras(self, session: Any) -> list[Era]:
        ids = dict(
            session.execute(
                select(t.build.c.build, t.build.c.id).where(t.build.c.dag_id == self.dag_id)
            ).all()
        )
        bounds = {1: (None, EDGES[0]), 2: EDGES}
        return [
            Era(
                starts_at=first,
                ends_at=last,
                written_from=first.date().isoformat() if first else None,
                written_until=last.date().isoformat() if last else None,
                build_id=ids[build],
                build=build,
                bundle_version=self.versions[build],
            )
            for build, (first, last) in bounds.items()
        ]

    def mark(self) -> None:
        """As everything writes it that writes rows of a dated Dag."""
        self.set_row(marked(self.versions[3]))

    def set_row(self, version: str | None) -> None:
        """What the Dag's row names; without the mark and None as other writers leave it."""
        with create_session() as session:
            session.execute(
                update(DagModel).where(DagModel.dag_id == self.dag_id).values(bundle_version=version)
            )
            if version == marked(self.versions[3]):
                session.execute(
                    update(t.dag).where(t.dag.c.dag_id == self.dag_id).values(row_version=version)
                )

    # Runs, as Airflow makes them

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

    def is_right(self, run_id: str, build: int, *, relabelled: bool = False) -> bool:
        """The run ended well, and everything in it is of this build.

        ``relabelled``: Airflow wrote another version's row into instances that had ended.
        """
        came = self.came(run_id)
        return (came.state, came.bundle_version, came.present) == (
            "success",
            self.versions[build],
            TASKS[build],
        ) and (relabelled or came.versions == {came.dag_version_id})

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

    def number_of(self, version_id: UUID | None) -> int | None:
        with create_session() as session:
            return session.scalar(select(DagVersion.version_number).where(DagVersion.id == version_id))


__all__ = ["DATES", "EDGES", "TASKS", "Came", "Dated", "build_of", "source"]
