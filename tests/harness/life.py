"""The life of runs without a scheduler: what it and the workers write, written by the test."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import select, update

from harness.prebuilt import start_run
from harness.seed import Seeder

DAG = """
    from airflow.sdk import DAG, task

    with DAG("d", schedule=None):
        {tasks}
"""


def dag(*task_ids: str, mark: str = "m") -> str:
    body = "".join(
        f"\n        @task\n        def {name}():\n            print('{mark}')\n        {name}()\n"
        for name in task_ids
    )
    return DAG.format(tasks=body)


class Life:
    """Plays scheduler and workers on one run's rows, in time that moves on by a second at each step."""

    def __init__(self, seeder: Seeder, run_id: str, dag_id: str = "d") -> None:
        self.host = seeder.host
        self.run_id = run_id
        self.dag_id = dag_id

    def execute(self, task_id: str, try_number: int, state: str = "success") -> None:
        now = self.host.unit.now()
        ended = {"start_date": now, "end_date": now + timedelta(milliseconds=1)}
        self.write(task_id, try_number=try_number, state=state, **ended)

    def mark(self, task_id: str, state: str) -> None:
        """What the scheduler does with a task that it will not run."""
        now = self.host.unit.now()
        self.write(task_id, state=state, start_date=now, end_date=now)

    def write(self, task_id: str, **values: Any) -> None:
        """Write to the task instance's present row."""
        from airflow.models.taskinstance import TaskInstance

        from pinwheel.airflow3.reads.tries import of_present

        table = TaskInstance.__table__
        row = (
            table.c.dag_id == self.dag_id,
            table.c.run_id == self.run_id,
            table.c.task_id == task_id,
            *of_present(table),
        )
        done = self.host.unit.run(lambda s: s.execute(update(table).where(*row).values(**values)))
        assert done.rowcount == 1

    def set_run(self, state: str) -> None:
        from airflow.models.dagrun import DagRun

        self.host.unit.run(
            lambda s: s.execute(update(DagRun).where(DagRun.run_id == self.run_id).values(state=state))
        )

    def stock_clear(self, *, latest: bool) -> None:
        """Clear all tasks as Airflow's UI does; then the scheduler starts the run and checks its tasks."""
        from airflow.models.dagbag import DBDagBag
        from airflow.models.dagrun import DagRun
        from airflow.models.taskinstance import TaskInstance, clear_task_instances

        def work(session: Any) -> None:
            tis = session.scalars(select(TaskInstance).where(TaskInstance.run_id == self.run_id)).all()
            clear_task_instances(list(tis), session, run_on_latest_version=latest)

        def check(session: Any) -> None:
            run = session.scalars(select(DagRun).where(DagRun.run_id == self.run_id)).one()
            run.dag = DBDagBag(load_op_links=False).get_dag(run.created_dag_version_id, session)
            run.verify_integrity(session=session, dag_version_id=run.created_dag_version_id)

        self.host.unit.run(work)
        start_run(self.dag_id, self.run_id)
        self.host.unit.run(check)

    def relabel(self, version_id: Any) -> None:
        """What stock Airflow does to finished tries at times: point their rows at another version."""
        from airflow.models.taskinstance import TaskInstance

        table = TaskInstance.__table__
        self.host.unit.run(
            lambda s: s.execute(
                update(table).where(table.c.run_id == self.run_id).values(dag_version_id=version_id)
            )
        )
