"""No run has a task outside of its window, whatever made the run and whatever runs it again.

The Dag is the blog's, on different schedules: its tasks of 2019 end a minute before the year does. What makes
runs is Airflow's own code, and so is what clears them; no keeper is there.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from airflow.assets.manager import AssetManager
from airflow.models.asset import AssetModel, association_table
from airflow.models.backfill import ReprocessBehavior, _create_backfill
from airflow.models.dagrun import DagRun
from airflow.models.taskinstance import TaskInstance
from airflow.utils.session import create_session
from sqlalchemy import delete, select

from harness import windowed
from harness.dag_runs import DagRuns
from harness.scheduling import Scheduler, listening_airflow
from harness.seed import Seeder
from pinwheel.core.request import TriggerRequest
from pinwheel.services.release import variants
from pinwheel.services.run.trigger import trigger

PARTITIONS = "CronPartitionTimetable('0 0 1 * *', timezone='UTC')"
BY_PARTITION = (
    "PartitionedAssetTimetable(assets=Asset('parts'), default_partition_mapper=StartOfMonthMapper())"
)
SCHEDULES = {
    "caught": "'@monthly'",
    "sources": "None",
    "fed": "[Asset('fed')]",
    "divided": PARTITIONS,
    "fed_by_part": BY_PARTITION,
    "of_months": "CronDataIntervalTimetable('@monthly', timezone='UTC')",
}
DATES = (
    datetime(2018, 6, 1, tzinfo=UTC),
    windowed.LAST_OF_2019,
    windowed.LAST_OF_2019 + timedelta(seconds=30),
    windowed.FIRST_OF_2020,
    datetime(2021, 6, 1, tzinfo=UTC),
)
"""Before the Dag's start, of 2019, in the minute that has the common start alone, of 2020, after its end."""


@pytest.fixture(scope="module")
def dags(sqlite: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, DagRuns]]:
    """By id; nothing but those that are due makes runs of them."""
    with listening_airflow(sqlite):
        seeder = Seeder(tmp_path_factory.mktemp("windows"))
        files: dict[str, str] = {}
        schedules = SCHEDULES | dict.fromkeys(ASKED, "None")
        for dag_id, schedule in schedules.items():
            files |= windowed.blog(dag_id=dag_id, schedule=schedule, end="2020, 3, 1", catchup=True)
        seeder.push(files)
        variants.make_missing(seeder.host)
        found = {dag_id: DagRuns(seeder.host, dag_id) for dag_id in schedules}
        for dag_id in ("sources", "of_months", *ASKED):
            found[dag_id].unpause()
        yield found


@pytest.fixture(scope="module")
def scheduler(dags: Any) -> Scheduler:
    return Scheduler()


def dated(dag: DagRuns) -> dict[str, datetime]:
    """Its runs, each with the only date that it has."""
    query = select(DagRun.run_id, DagRun.logical_date, DagRun.partition_date)
    with create_session() as session:
        rows = session.execute(query.where(DagRun.dag_id == dag.dag_id).order_by(DagRun.id)).all()
    found = {run_id: logical or partition for run_id, logical, partition in rows}
    assert None not in found.values()
    return {run_id: date for run_id, date in found.items() if date is not None}


def wrong(dag: DagRuns, dates: Mapping[str, datetime]) -> dict[str, Any]:
    """Runs that did not end well with the tasks of their dates and no other, bound to their variant."""
    found: dict[str, Any] = {}
    for run_id, date in dates.items():
        came, bound = dag.came(run_id), dag.bindings(run_id)
        is_right = (
            came.state == "success"
            and dict(came.tasks) == dict.fromkeys(windowed.tasks_at(date), "success")
            and {one.segment for one in bound} == {windowed.segment_at(date)}
        )
        if not is_right:
            found[run_id] = (date, came, bound)
    return found


def cleared(dag: DagRuns, dates: Mapping[str, datetime], scheduler: Scheduler, **more: Any) -> dict[str, Any]:
    """What is wrong once they ran again."""
    before = {run_id: len(dag.bindings(run_id)) for run_id in dates}
    for run_id in dates:
        dag.clear(run_id, **more)
    scheduler.settle()
    for run_id, rows in before.items():
        assert len(dag.bindings(run_id)) > rows, (run_id, "the ledger does not say that it ran again")
    return wrong(dag, dates)


def backfilled(
    dag: DagRuns, scheduler: Scheduler, behavior: str, *, leaving: Collection[str] = (), **more: Any
) -> dict[str, Any]:
    """What is wrong, but for *leaving*, after a backfill from before the Dag's start until after its end."""
    _create_backfill(
        dag_id=dag.dag_id,
        from_date=datetime(2019, 9, 1, tzinfo=UTC),
        to_date=datetime(2020, 5, 1, tzinfo=UTC),
        max_active_runs=20,
        reverse=False,
        dag_run_conf=None,
        triggering_user_name="ada",
        reprocess_behavior=ReprocessBehavior(behavior),
        **more,
    )
    scheduler.settle()
    scheduler.complete_backfills()
    return wrong(dag, {run_id: date for run_id, date in dated(dag).items() if run_id not in leaving})


def scheduled(dag: DagRuns, scheduler: Scheduler) -> dict[str, datetime]:
    """All runs that are due."""
    dag.unpause()
    for _ in range(5):
        scheduler.schedule()
    scheduler.settle()
    return dated(dag)


@pytest.mark.acceptance("dates", 2)
def test_runs_that_catch_up_and_backfills_of_every_kind(
    dags: dict[str, DagRuns], scheduler: Scheduler
) -> None:
    dag = dags["caught"]
    made = scheduled(dag, scheduler)
    assert [date.month for date in made.values()] == [11, 12, 1, 2, 3] and wrong(dag, made) == {}
    assert backfilled(dag, scheduler, "none") == {}
    assert sorted(dated(dag).values())[::8] == [
        datetime(2019, 9, 1, tzinfo=UTC),
        datetime(2020, 5, 1, tzinfo=UTC),
    ]
    dates = dated(dag)
    for run_id in list(dates)[::2]:
        dag.set_run(run_id, state="failed")
    assert backfilled(dag, scheduler, "failed", run_on_latest_version=True) == {}
    for on_latest in (False, True):
        assert backfilled(dag, scheduler, "completed", run_on_latest_version=on_latest) == {}
        assert cleared(dag, dates, scheduler, run_on_latest_version=on_latest) == {}


def _with_its_date(dag: DagRuns, date: datetime) -> str:
    """As Airflow's API makes one of a logical date."""
    return dag.run(date)


def _of_an_interval(dag: DagRuns, date: datetime) -> str:
    """That begins then, at a logical date 45 days later: only a request can have that."""
    until = date + timedelta(days=45)
    return dag.run(until, data_interval=(date, until))


def _without_date(dag: DagRuns, date: datetime) -> str:
    """But for the time from which on it may run."""
    return dag.run(None, run_after=date)


def _from_command_line(dag: DagRuns, date: datetime, *, run_type: str = "manual") -> str:
    from airflow.api.common.trigger_dag import trigger_dag
    from airflow.utils.types import DagRunTriggeredByType, DagRunType

    with create_session() as session:
        run = trigger_dag(
            dag.dag_id,
            triggered_by=DagRunTriggeredByType.CLI,
            run_type=DagRunType(run_type),
            logical_date=date,
            run_after=dag.host.unit.now() - timedelta(seconds=2),
            session=session,
        )
        assert run is not None
        return str(run.run_id)


def _by_an_operator(dag: DagRuns, date: datetime) -> str:
    return _from_command_line(dag, date, run_type="operator_triggered")


def _by_pinwheel(dag: DagRuns, date: datetime) -> str:
    """Bound as it is made."""
    return trigger(dag.host, TriggerRequest(dag_id=dag.dag_id, logical_date=date), actor="ada").run_id


ASKED = {
    "with_its_date": _with_its_date,
    "of_an_interval": _of_an_interval,
    "without_date": _without_date,
    "from_command_line": _from_command_line,
    "by_an_operator": _by_an_operator,
    "by_pinwheel": _by_pinwheel,
}
"""By Dag: how somebody makes runs of it."""


@pytest.mark.acceptance("dates", 2)
@pytest.mark.parametrize("kind", ASKED)
def test_runs_that_somebody_asks_for(dags: dict[str, DagRuns], scheduler: Scheduler, kind: str) -> None:
    dag = dags[kind]
    dates = {ASKED[kind](dag, date): date for date in DATES}
    scheduler.settle()
    assert wrong(dag, dates) == {}
    for on_latest in (False, True):
        assert cleared(dag, dates, scheduler, run_on_latest_version=on_latest) == {}
    # One task, as from the grid: the others stay as they are.
    assert cleared(dag, dates, scheduler, run_on_latest_version=True, task_ids=["common_start"]) == {}


@pytest.mark.acceptance("dates", 12)
def test_a_run_by_hand_is_of_the_interval_that_ended_before_the_date_that_it_is_given(
    dags: dict[str, DagRuns], scheduler: Scheduler
) -> None:
    """But for Airflow's command line, whose interval is of the moment: there the date itself counts."""
    dag, given = dags["of_months"], datetime(2020, 1, 15, tzinfo=UTC)
    dates = {
        _by_pinwheel(dag, given): datetime(2019, 12, 1, tzinfo=UTC),
        _from_command_line(dag, given + timedelta(hours=1)): given,
    }
    scheduler.settle()
    assert wrong(dag, dates) == {}


def happened(asset: str, source: tuple[DagRuns, str] | None, **more: Any) -> None:
    """An event of an asset, of the common start of a run; None: made over REST."""
    with create_session() as session:
        of_run = None
        if source is not None:
            dag, run_id = source
            of_run = session.scalars(
                select(TaskInstance).where(
                    TaskInstance.dag_id == dag.dag_id,
                    TaskInstance.run_id == run_id,
                    TaskInstance.task_id == "common_start",
                )
            ).one()
        model = session.scalars(select(AssetModel).where(AssetModel.name == asset)).one()
        AssetManager().register_asset_change(asset=model, task_instance=of_run, session=session, **more)


@pytest.mark.acceptance("dates", 2)
def test_runs_by_assets_have_the_tasks_of_the_dates_of_the_runs_that_made_their_events(
    dags: dict[str, DagRuns], scheduler: Scheduler
) -> None:
    dag, source = dags["fed"], dags["sources"]
    dag.unpause()
    dates: dict[str, datetime] = {}
    for date in (*DATES, None):
        made = (source, source.run(date)) if date is not None else None
        scheduler.settle()
        happened("fed", made)
        scheduler.schedule()
        (run_id,) = set(dag.ids()) - set(dates)
        dates[run_id] = date or dag.host.unit.now()
    scheduler.settle()
    assert wrong(dag, dates) == {}
    for on_latest in (False, True):
        assert cleared(dag, dates, scheduler, run_on_latest_version=on_latest) == {}
    # As `db clean` does, and who deletes the Dag of the sources.
    with create_session() as session:
        session.execute(delete(association_table))
    for on_latest in (False, True):
        assert cleared(dag, dates, scheduler, run_on_latest_version=on_latest) == {}


@pytest.mark.acceptance("dates", 2)
def test_runs_of_partitions(dags: dict[str, DagRuns], scheduler: Scheduler) -> None:
    dag = dags["divided"]
    made = scheduled(dag, scheduler)
    assert [date.month for date in made.values()] == [11, 12, 1, 2, 3] and wrong(dag, made) == {}
    for behavior in ("none", "failed", "completed"):
        dag.set_run(next(iter(made)), state="failed")
        before = dated(dag)
        assert backfilled(dag, scheduler, behavior, leaving=made) == {}
        assert len(dated(dag)) - len(before) == {"none": 4, "failed": 1, "completed": 9}[behavior]
    dates = dated(dag)
    for on_latest in (False, True):
        assert cleared(dag, dates, scheduler, run_on_latest_version=on_latest) == {}


@pytest.mark.acceptance("dates", 2)
def test_runs_of_partitions_of_an_asset(dags: dict[str, DagRuns], scheduler: Scheduler) -> None:
    dag = dags["fed_by_part"]
    dag.unpause()
    for month in ("2018-06-07", "2019-12-31", "2020-01-01", "2021-06-30"):
        happened("parts", None, partition_key=f"{month}T00:00:00")
    for _ in range(4):
        scheduler.schedule()
    dates = dated(dag)
    assert sorted(date.isoformat()[:10] for date in dates.values()) == [
        "2018-06-01",
        "2019-12-01",
        "2020-01-01",
        "2021-06-01",
    ]
    scheduler.settle()
    assert wrong(dag, dates) == {}
    for on_latest in (False, True):
        assert cleared(dag, dates, scheduler, run_on_latest_version=on_latest) == {}
