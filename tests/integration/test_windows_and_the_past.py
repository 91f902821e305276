"""Tasks that depend on their past, and have a place at some dates only: Airflow's own rules, on variants."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from airflow.models.backfill import ReprocessBehavior, _create_backfill
from airflow.models.dagrun import DagRun
from airflow.utils.session import create_session
from attrs import evolve
from sqlalchemy import delete, select

from harness.dag_runs import DagRuns
from harness.eras import DATES, EDGES, Dated
from harness.scheduling import Scheduler, listening_airflow
from harness.seed import Seeder
from pinwheel.services.release import variants

SOURCE = """
    from datetime import datetime
    from airflow.providers.standard.operators.bash import BashOperator
    from airflow.sdk import DAG, CronDataIntervalTimetable

    def task(name, **more):
        return BashOperator(
            task_id=name, bash_command="true", depends_on_past=True,
            ignore_first_depends_on_past={ignoring}, **more
        )

    with DAG(
        "{dag_id}", schedule={schedule}, start_date=datetime(2020, 1, 1), end_date=datetime(2020, 1, 6),
        catchup={catchup}, max_active_runs=16
    ):
        task("always", wait_for_downstream=True) >> [
            task("old", end_date=datetime(2020, 1, 3)),
            task("new", start_date=datetime(2020, 1, 4)),
            task("first", end_date=datetime(2020, 1, 2)),
            task("second", start_date=datetime(2020, 1, 5)),
            task("at_noon", start_date=datetime(2020, 1, 3, 12)),
        ]
"""
SCHEDULES = {"of_instants": "'@daily'", "of_intervals": "CronDataIntervalTimetable('@daily', 'UTC')"}
DAYS = [datetime(2020, 1, day, tzinfo=UTC) for day in range(1, 7)]
WANTED = {
    "always": DAYS,
    "old": DAYS[:3],
    "new": DAYS[3:],
    "first": DAYS[:2],
    "second": DAYS[4:],
    "at_noon": DAYS[3:],
}
"""By task: the days of its data. Nothing of one kind has a place on the 3rd and the 4th, first and second."""


@pytest.fixture(scope="module")
def scheduler(sqlite: Any) -> Iterator[Scheduler]:
    with listening_airflow(sqlite):
        yield Scheduler()


def of(
    tmp_path: Path, dag_id: str, *, schedule: str = "'@daily'", catchup: bool, ignoring: bool = False
) -> DagRuns:
    seeder = Seeder(tmp_path, dag_id)
    source = SOURCE.format(dag_id=dag_id, schedule=schedule, catchup=catchup, ignoring=ignoring)
    seeder.push({f"{dag_id}.py": source})
    variants.make_missing(seeder.host)
    made = DagRuns(seeder.host, dag_id)
    made.unpause()
    return made


def executed(scheduler: Scheduler, dag: DagRuns, days: dict[str, datetime]) -> dict[str, list[datetime]]:
    """By task: the days of its data, as they were executed."""
    found: dict[str, list[datetime]] = {}
    for work in scheduler.given:
        if work.dag_id == dag.dag_id:
            found.setdefault(work.task_id, []).append(days[work.run_id])
    return found


def states(dag: DagRuns, days: dict[str, datetime]) -> list[str]:
    return [dag.came(run_id).state for run_id in days]


def backfill(dag: DagRuns) -> None:
    _create_backfill(
        dag_id=dag.dag_id,
        from_date=DAYS[0],
        to_date=DAYS[-1],
        max_active_runs=16,
        reverse=False,
        dag_run_conf=None,
        triggering_user_name="ada",
        reprocess_behavior=ReprocessBehavior.COMPLETED,
        run_on_latest_version=True,
    )


@pytest.mark.acceptance("dates", 9)
@pytest.mark.parametrize("dag_id", SCHEDULES)
def test_with_catchup_nothing_waits_at_an_edge_and_all_runs_in_order(
    scheduler: Scheduler, tmp_path: Path, dag_id: str
) -> None:
    dag = of(tmp_path, dag_id, schedule=SCHEDULES[dag_id], catchup=True)
    for _ in range(6):
        scheduler.schedule()
    days = dict(zip(dag.ids(), DAYS, strict=True))
    scheduler.settle(turns=40)
    assert executed(scheduler, dag, days) == WANTED
    scheduler.given.clear()
    backfill(dag)
    scheduler.settle(turns=40)
    assert executed(scheduler, dag, days) == WANTED
    assert states(dag, days) == ["success"] * 6


@pytest.mark.acceptance("dates", 9)
@pytest.mark.parametrize("kind", ["asked", "backfilled"])
@pytest.mark.parametrize("ignoring", [False, True])
def test_without_catchup_the_first_run_of_a_task_waits_unless_the_task_says_that_it_need_not(
    scheduler: Scheduler, tmp_path: Path, kind: str, ignoring: bool
) -> None:
    """As Airflow has it for a task that is new in the file."""
    dag = of(tmp_path, f"{kind}_{ignoring}", catchup=False, ignoring=ignoring)
    if kind == "asked":
        for day in DAYS:
            dag.run(day)
    else:
        backfill(dag)
    with create_session() as session:
        of_dag = select(DagRun.run_id, DagRun.logical_date).where(DagRun.dag_id == dag.dag_id)
        days = {run_id: day for run_id, day in session.execute(of_dag.order_by(DagRun.logical_date))}
    assert list(days.values()) == DAYS
    scheduler.settle(turns=40 if ignoring else 15)
    if ignoring:
        assert executed(scheduler, dag, days) == WANTED
        assert states(dag, days) == ["success"] * 6
        return
    # What follows waits as well: the last one's common task for what is downstream of the one before.
    assert executed(scheduler, dag, days) == {
        "always": DAYS[:4],
        "old": WANTED["old"],
        "first": WANTED["first"],
    }
    assert states(dag, days) == ["success"] * 3 + ["running"] * 3
    with create_session() as session:
        session.execute(delete(DagRun).where(DagRun.dag_id == dag.dag_id))


@pytest.mark.acceptance("dates", 9)
def test_a_task_that_an_era_in_the_middle_does_not_have_waits_after_it(
    scheduler: Scheduler, tmp_path: Path
) -> None:
    """Whatever it says of its first run: it had one."""
    args = {"task_args": ", depends_on_past=True, ignore_first_depends_on_past=True"}
    dag = Dated(tmp_path, "in_the_middle", by_build=dict.fromkeys((1, 2, 3), args))
    with create_session() as session:
        (of_1, of_2) = dag.eras(session)
    dag.set_eras(
        [
            evolve(of_2, starts_at=None, written_from=None, ends_at=EDGES[0]),
            evolve(of_1, starts_at=EDGES[0], ends_at=EDGES[1]),
        ],
        revision=2,
    )
    before, between, after = (dag.run(DATES[number]) for number in (1, 2, 3))
    scheduler.settle(turns=15)
    assert dag.is_right(before, 2) and dag.is_right(between, 1)
    came = dag.came(after)
    assert (came.state, came.bundle_version) == ("running", dag.versions[3])
    assert came.tasks == {"start": "success", "publish": "success", "cloud": None}
