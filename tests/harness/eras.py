"""A Dag with three builds of other tasks each, and two eras: what tests of binding by date stand on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from airflow.models.dag import DagModel
from airflow.models.dag_version import DagVersion
from airflow.sdk import timezone
from airflow.utils.session import create_session
from sqlalchemy import select, update

from harness.dag_runs import Came, DagRuns
from harness.seed import Seeder
from pinwheel.core.run.mark import marked
from pinwheel.core.run.timeline import Era
from pinwheel.store import start_rules, timelines
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


class Dated(DagRuns):
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
        super().__init__(self.seeder.host, dag_id)
        self.versions: dict[int, str] = {}
        for build in (1, 2, 3):
            more = (by_build or {}).get(build, {})
            self.versions[build] = self.seeder.push({f"{dag_id}.py": source(dag_id, build, **more)})
        self.unpause()
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

    # Runs

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

    def number_of(self, version_id: UUID | None) -> int | None:
        with create_session() as session:
            return session.scalar(select(DagVersion.version_number).where(DagVersion.id == version_id))


__all__ = ["DATES", "EDGES", "TASKS", "Came", "Dated", "build_of", "source"]
