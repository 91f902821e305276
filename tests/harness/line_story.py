"""A Dag with a line worth looking at, in a bundle of the shared Airflow, and plain ones to change."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from harness.dags import broken, dag
from harness.releases import Releases, unique
from harness.shared import SharedAirflow
from pinwheel.store import tables as t

SPARES = 7


class LineStory:
    """``told``: build 1 (labelled 1.0, one good run) was released, then build 2 (one failed run), then rolled
    back to build 1 ("wrong totals"); build 3, of which only a helper changed, waits; a broken commit follows.
    Build 2 adds task ``report`` below ``sum``, drops task ``old``, and gives each task two pool slots.

    ``spares``: build 1 and build 2, both released; on build 2 one run failed.
    """

    def __init__(self, airflow: SharedAirflow) -> None:
        self.airflow = airflow
        self.releases = Releases(airflow)
        self.told = unique("line")
        self.helper = f"{self.told}_lib/rates.py"
        self.spares = [unique("spare") for _ in range(SPARES)]
        self.bundle, self.beside = airflow.take_git(), airflow.take_git()
        self.beside.repo.commit(
            {path: text for spare in self.spares for path, text in dag(spare, "m1").items()}
        )
        self.bundle.repo.commit(
            {
                **self._told("m1", ("load", "sum", "old"), tags="'version:1.0'"),
                self.helper: "RATE = 19\n",
                f"{self.told}_lib/__init__.py": "",
                f"{self.told}_lib/same.py": "SAME = True\n",
            },
            message="The first state",
        )
        self._settle()
        self.good_run = airflow.trigger_and_wait(self.told, timeout=180)
        self.beside.repo.commit(
            {path: text for spare in self.spares for path, text in self._failing(spare).items()}
        )
        self.bundle.repo.commit(
            {
                **self._told("m2", ("load", "sum", "report"), fails=True),
                self.helper: "RATE = 20\n",
            },
            message="Report the sums",
        )
        self._settle()
        runs = {dag_id: airflow.trigger(dag_id) for dag_id in (self.told, *self.spares)}
        for dag_id, run_id in runs.items():
            airflow.wait_run(dag_id, run_id, "failed", timeout=240)
        self.failed_runs = runs
        self.releases.rollback(self.told, reason="wrong totals")
        self.bundle.repo.commit({self.helper: "RATE = 21\nOTHER = 'x'\n"}, message="Another rate")
        self._settle()
        self.broken_commit = self.bundle.repo.commit(broken(f"{self.told}.py"), message="Break it")
        self._settle()

    def _told(self, mark: str, tasks: tuple[str, ...], *, tags: str = "", fails: bool = False) -> Any:
        return dag(
            self.told,
            mark,
            tasks=tasks,
            dag_args=f"tags=[{tags}]",
            task_args="pool_slots=2" if fails else "",
            top=f"from {self.told}_lib import rates, same",
            # What its code does not reach makes no build
            body="print(rates.RATE, same.SAME)" + ("; raise SystemExit('wrong')" if fails else ""),
        )

    def _failing(self, dag_id: str) -> Any:
        return dag(dag_id, "m2", tasks=("t", "u"), body="if context['ti'].task_id == 't': raise ValueError")

    def _settle(self) -> None:
        for bundle in (self.bundle, self.beside):
            self.releases.wait_settled(bundle.name, bundle.repo.head(), timeout=180)

    def spare(self) -> str:
        """A Dag that nobody else uses: release 2 of build 2, and build 1 before it.

        No later commit of its bundle was followed to, so that is where it goes back to.
        """
        return self.spares.pop()

    def make_long(self, dag_id: str, *, builds: int, runs: int) -> None:
        """Give a Dag with one build and one run so many of both, a minute apart, in the past."""
        from airflow.models.dagrun import DagRun

        table: sa.Table = DagRun.__table__  # type: ignore[assignment]
        with self.airflow.engine().begin() as connection:
            of_dag = connection.execute(sa.select(t.build).where(t.build.c.dag_id == dag_id))
            build = dict(of_dag.mappings().first() or {})
            run = dict(
                connection.execute(sa.select(table).where(table.c.dag_id == dag_id)).mappings().first() or {}
            )
            now = build["created_at"]
            # Numbers rise with time: what is there already comes last.
            connection.execute(
                sa.update(t.build).where(t.build.c.dag_id == dag_id).values(build=t.build.c.build + 1000)
            )
            connection.execute(
                sa.insert(t.build),
                [
                    {
                        **{name: value for name, value in build.items() if name != "id"},
                        "build": 1 + number,
                        "digest": f"{number:064}",
                        "created_at": now - timedelta(minutes=builds - number),
                    }
                    for number in range(builds)
                ],
            )
            connection.execute(
                sa.insert(table),
                [
                    {
                        **{name: value for name, value in run.items() if name != "id"},
                        "run_id": f"long_{number}",
                        "logical_date": None,
                        "start_date": now - timedelta(seconds=60 * builds * number / runs),
                        "state": "failed" if number % 10 == 0 else "success",
                    }
                    for number in range(runs)
                ],
            )
