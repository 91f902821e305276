"""Runs at whose dates every task has a place, though Airflow would leave one out by their logical dates.

Under a timetable of data intervals a run that somebody makes on 10 January has December's data: its task that
ends with the year has a place, and Airflow compares that task's end with 10 January.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from harness import asked, windowed
from harness.dag_runs import DagRuns
from harness.faults import airflow_engine
from harness.scheduling import Scheduler, listening_airflow
from harness.seed import Seeder
from pinwheel.core.request import ClearDatedRequest
from pinwheel.services.release import variants
from pinwheel.services.timeline import check, clear_runs
from pinwheel.store import tables as t

AT = datetime(2020, 1, 10, tzinfo=UTC)
DECEMBER = (datetime(2019, 12, 1, tzinfo=UTC), datetime(2020, 1, 1, tzinfo=UTC))
ALL = {"load", "legacy"}


def edge(more: str = "") -> dict[str, str]:
    return {
        "edge.py": f"""
    from datetime import datetime
    from airflow.providers.standard.operators.empty import EmptyOperator
    from airflow.sdk import DAG, CronDataIntervalTimetable

    MONTHLY = CronDataIntervalTimetable("0 0 1 * *", timezone="UTC")
    with DAG("edge", schedule=MONTHLY, start_date=datetime(2019, 1, 1), catchup=False):
        EmptyOperator(task_id="legacy", end_date=datetime(2019, 12, 31)) >> EmptyOperator(task_id="load")
        {more}
"""
    }


@pytest.fixture(scope="module")
def seeder(sqlite: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seeder]:
    with listening_airflow(sqlite):
        yield Seeder(tmp_path_factory.mktemp("edge"))


@pytest.fixture(scope="module")
def dag(seeder: Seeder) -> DagRuns:
    seeder.push(edge())
    assert windowed.numbers("edge") == [1, -2_000_001], "the present is without legacy"
    assert variants.make_missing(seeder.host) == 1
    assert windowed.numbers("edge") == [1, -2_000_001, -3_000_001]
    assert set(windowed.tasks_of(-3_000_001, "edge")) == ALL
    made = DagRuns(seeder.host, "edge")
    made.unpause()
    return made


@pytest.fixture(scope="module")
def scheduler(dag: DagRuns) -> Scheduler:
    return Scheduler()


def came(
    dag: DagRuns, scheduler: Scheduler, run_id: str
) -> tuple[str, dict[str, str | None], set[int | None]]:
    scheduler.settle()
    found = dag.came(run_id)
    return found.state, dict(found.tasks), {one.segment for one in dag.bindings(run_id)}


RIGHT = ("success", dict.fromkeys(ALL, "success"), {1})


@pytest.mark.acceptance("dates", 2)
def test_they_have_all_tasks_however_they_are_made_and_run_again(dag: DagRuns, scheduler: Scheduler) -> None:
    made = dag.run(AT, data_interval=DECEMBER)
    assert came(dag, scheduler, made) == RIGHT
    for days, more in ((1, {}), (2, {"build": 1})):
        asked_for = asked.trigger(dag.host, "edge", logical_date=AT + timedelta(days=days), **more)
        assert asked_for.bundle_version is not None and "?" not in asked_for.bundle_version
        assert came(dag, scheduler, asked_for.run_id) == RIGHT
    for on_latest in (False, True):
        dag.clear(made, run_on_latest_version=on_latest)
        assert came(dag, scheduler, made) == RIGHT
    asked.clear(dag.host, "edge", [made], build=1)
    assert came(dag, scheduler, made) == RIGHT
    assert {one.bound_by for one in dag.bindings(made)} == {"active", "hand"}


@pytest.mark.acceptance("dates", 2)
def test_at_a_later_date_they_are_without_it_and_get_it_back_where_that_does_not_match(
    dag: DagRuns, scheduler: Scheduler
) -> None:
    january = (datetime(2020, 1, 1, tzinfo=UTC), datetime(2020, 2, 1, tzinfo=UTC))
    run_id = dag.run(datetime(2020, 2, 10, tzinfo=UTC), data_interval=january)
    assert came(dag, scheduler, run_id) == ("success", {"load": "success"}, {2})
    # As though the run had had another date when it ran.
    dag.set_run(run_id, data_interval_start=DECEMBER[0])
    with airflow_engine().begin() as connection:
        connection.execute(sa.update(t.binding).where(t.binding.c.run_id == run_id).values(date=DECEMBER[0]))
    assert [one.run_id for one in check.check(dag.host, "edge").differ] == [run_id]
    clear_runs.clear(dag.host, ClearDatedRequest(dag_id="edge", run_ids=[run_id]), actor="ada")
    assert came(dag, scheduler, run_id) == ("success", dict.fromkeys(ALL, "success"), {1, 2})
    assert check.check(dag.host, "edge").differ == ()
