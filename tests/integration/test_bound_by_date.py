"""A run executes the build that its date calls for: Airflow's own scheduler, and no keeper."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa
from sqlalchemy import delete, select, update

from harness.eras import DATES, EDGES, TASKS, Dated
from harness.scheduling import Scheduler, listening_airflow
from pinwheel.core.run.resolve import Keep
from pinwheel.services.run import judging
from pinwheel.store import tables as t

MICROSECOND = timedelta(microseconds=1)


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database(request: pytest.FixtureRequest) -> Iterator[Any]:
    with listening_airflow(request.getfixturevalue(request.param)) as made:
        yield made


@pytest.fixture(scope="module")
def blog(database: Any, tmp_path_factory: pytest.TempPathFactory) -> Dated:
    return Dated(tmp_path_factory.mktemp("blog"))


@pytest.fixture(scope="module")
def only_scheduler(blog: Dated) -> Scheduler:
    return Scheduler()


@pytest.fixture
def scheduler(only_scheduler: Scheduler, blog: Dated) -> Iterator[Scheduler]:
    """With no run left of before, and the mark in the Dag's row."""
    blog.mark()
    only_scheduler.given.clear()
    yield only_scheduler
    with sa_session() as session:
        session.execute(sa.text("DELETE FROM dag_run WHERE state IN ('queued', 'running')"))


def sa_session() -> Any:
    from airflow.utils.session import create_session

    return create_session()


def executed(scheduler: Scheduler, run_id: str) -> set[tuple[str, str | None]]:
    return {(work.task_id, work.bundle_version) for work in scheduler.given if work.run_id == run_id}


def all_of(blog: Dated, build: int) -> set[tuple[str, str | None]]:
    return {(task_id, blog.versions[build]) for task_id in TASKS[build]}


def ruling_of(blog: Dated, run_id: str) -> Any:
    """What the run would be ruled to be now, were it asked."""
    from airflow.models.dagrun import DagRun

    def work(session: Any) -> Any:
        number = session.scalar(select(DagRun.id).where(DagRun.run_id == run_id))
        (case,) = judging.facts_of(blog.host, session, [number])
        return case.ruling(blog.host.unit.now())

    return blog.host.unit.run(work)


@pytest.mark.acceptance("dates", 22)
@pytest.mark.parametrize("build", [1, 2, 3])
def test_a_run_executes_the_build_of_its_date(blog: Dated, scheduler: Scheduler, build: int) -> None:
    run_id = blog.run(DATES[build])
    assert blog.came(run_id).bundle_version == f"{blog.versions[3]}?unbound"
    scheduler.settle()
    assert blog.is_right(run_id, build)
    assert executed(scheduler, run_id) == all_of(blog, build)
    (bound,) = blog.bindings(run_id)
    assert (bound.seq, bound.part, bound.bound_by) == (0, 0, "active" if build == 3 else "era")
    assert (bound.date, bound.date_by) == (DATES[build], "data_interval")
    assert (bound.revision, bound.segment, bound.build_id) == (1, 0, build)
    assert isinstance(ruling_of(blog, run_id), Keep)


@pytest.mark.acceptance("dates", 12)
def test_a_run_belongs_to_the_start_of_its_interval_and_an_era_to_its_first_instant(
    blog: Dated, scheduler: Scheduler
) -> None:
    edge = EDGES[0]
    day = timedelta(days=1)
    before = blog.run(edge + day, data_interval=(edge - MICROSECOND, edge + day))
    after = blog.run(edge + 2 * day, data_interval=(edge, edge + day))
    # December's data, at a logical date of the era after it.
    late = blog.run(EDGES[1] + day, data_interval=(EDGES[1] - day, EDGES[1]))
    scheduler.settle()
    assert [blog.is_right(*one) for one in ((before, 1), (after, 2), (late, 2))] == [True] * 3


def _scheduled(blog: Dated) -> str:
    return blog.run(DATES[1] + timedelta(days=1), run_type="scheduled")


def _catch_up(blog: Dated) -> str:
    date = DATES[1] + timedelta(days=2)
    return blog.run(date, run_type="scheduled", data_interval=(date, date + timedelta(days=1)))


def _from_command_line(blog: Dated, *, run_type: str = "manual", days: int = 3) -> str:
    """And by a TriggerDagRunOperator: the same function, which gives the interval of the moment."""
    from airflow.api.common.trigger_dag import trigger_dag
    from airflow.utils.types import DagRunTriggeredByType, DagRunType

    with sa_session() as session:
        date = DATES[1] + timedelta(days=days)
        # SQLite compares with the whole second.
        run = trigger_dag(
            blog.dag_id,
            triggered_by=DagRunTriggeredByType.CLI,
            run_type=DagRunType(run_type),
            logical_date=date,
            run_after=blog.host.unit.now() - timedelta(seconds=2),
            session=session,
        )
        assert run is not None
        return str(run.run_id)


def _by_an_operator(blog: Dated) -> str:
    return _from_command_line(blog, run_type="operator_triggered", days=5)


def _run_again_by_a_backfill(blog: Dated) -> str:
    """One that the command line made: only the type is another one then (``models/backfill.py``)."""
    run_id = _from_command_line(blog, days=6)
    blog.set_run(run_id, run_type="backfill", triggered_by="BACKFILL")
    return run_id


def _backfilled(blog: Dated) -> str:
    from airflow.models.dagrun import DagRun

    run_id = blog.run(DATES[1] + timedelta(days=4), run_type="backfill")
    with sa_session() as session:
        assert session.scalar(select(DagRun.run_type).where(DagRun.run_id == run_id)) == "backfill"
    return run_id


def _of_a_partition(blog: Dated) -> str:
    run_id = blog.run(None)
    blog.set_run(run_id, partition_date=DATES[1], partition_key="2019-06")
    return run_id


def _by_assets(blog: Dated, *dates: datetime | None) -> str:
    """Consumed events of runs of these dates; None: an event that somebody made over REST."""
    from airflow.models.dagrun import DagRun

    run_id = blog.run(None, run_type="asset_triggered")
    with sa_session() as session:
        of_dates = {
            date: session.scalar(
                select(DagRun.run_id).where(DagRun.dag_id == blog.dag_id, DagRun.logical_date == date)
            )
            for date in dates or (DATES[1], None)
        }
    sources = [(of_dates[date] or blog.run(date)) if date is not None else None for date in of_dates]
    _consumed(run_id, *((blog.dag_id, source) if source is not None else None for source in sources))
    return run_id


def _consumed(run_id: str, *sources: tuple[str, str] | None) -> None:
    """A run was triggered by events of these runs."""
    from airflow.models.asset import AssetEvent, AssetModel, association_table
    from airflow.models.dagrun import DagRun

    with sa_session() as session:
        asset = session.scalar(select(AssetModel).where(AssetModel.name == "a")) or AssetModel(
            name="a", uri="a://a", group="asset"
        )
        session.add(asset)
        session.flush()
        number = session.scalar(select(DagRun.id).where(DagRun.run_id == run_id))
        for source in sources:
            event = AssetEvent(asset_id=asset.id)
            if source is not None:
                event.source_dag_id, event.source_run_id = source
            session.add(event)
            session.flush()
            session.execute(association_table.insert().values(dag_run_id=number, event_id=event.id))


def _of_a_plain_dag(blog: Dated, *sources: tuple[str, str]) -> tuple[str, str]:
    """An ended run that assets triggered, of a Dag that nobody judges by dates."""
    from airflow.models.dagrun import DagRun
    from airflow.utils.types import DagRunTriggeredByType

    run_id = f"plain__{uuid4().hex[:10]}"
    with sa_session() as session:
        session.add(
            DagRun(
                dag_id="plain",
                run_id=run_id,
                run_type="asset_triggered",
                state="success",
                run_after=blog.host.unit.now(),
                triggered_by=DagRunTriggeredByType.ASSET,
            )
        )
    _consumed(run_id, *sources)
    return "plain", run_id


KINDS = {
    "scheduled": _scheduled,
    "catch-up": _catch_up,
    "command line": _from_command_line,
    "operator": _by_an_operator,
    "backfill of the command line's": _run_again_by_a_backfill,
    "backfill": _backfilled,
    "partition": _of_a_partition,
    "assets": _by_assets,
}


@pytest.mark.acceptance("dates", 22, 12)
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_run_does(blog: Dated, scheduler: Scheduler, kind: str) -> None:
    run_id = KINDS[kind](blog)
    scheduler.settle()
    assert blog.is_right(run_id, 1)
    assert executed(scheduler, run_id) == all_of(blog, 1)
    of_the_moment = ("command line", "operator", "backfill of the command line's")
    others = {
        "partition": "partition",
        "assets": "asset_events",
        **dict.fromkeys(of_the_moment, "logical_date"),
    }
    by = others.get(kind, "data_interval")
    assert [bound.date_by for bound in blog.bindings(run_id)] == [by]


@pytest.mark.acceptance("dates", 12)
def test_a_run_of_events_of_two_eras_takes_the_earliest_and_the_ledger_says_its_date(
    blog: Dated, scheduler: Scheduler
) -> None:
    run_id = _by_assets(blog, DATES[3], DATES[2], None)
    scheduler.settle()
    assert blog.is_right(run_id, 2)
    (bound,) = blog.bindings(run_id)
    assert (bound.date, bound.date_by) == (DATES[2], "asset_events")


@pytest.mark.acceptance("dates", 12)
@pytest.mark.parametrize("hops", [2, 3])
def test_a_run_at_the_end_of_a_chain_of_assets_has_the_date_of_the_data_at_its_start(
    blog: Dated, scheduler: Scheduler, hops: int
) -> None:
    source = (blog.dag_id, blog.run(DATES[1] + timedelta(days=20 + hops)))
    for _ in range(hops - 1):
        source = _of_a_plain_dag(blog, source)
    run_id = blog.run(None, run_type="asset_triggered")
    _consumed(run_id, source)
    scheduler.settle()
    assert blog.is_right(run_id, 1)
    (bound,) = blog.bindings(run_id)
    assert (bound.date, bound.date_by) == (DATES[1] + timedelta(days=20 + hops), "asset_events")


@pytest.mark.acceptance("dates", 12)
@pytest.mark.parametrize("gone", [False, True])
def test_a_run_of_a_dated_run_of_assets_has_its_date_also_when_its_events_are_gone(
    blog: Dated, scheduler: Scheduler, gone: bool
) -> None:
    from airflow.models.asset import association_table

    first = _by_assets(blog, DATES[1])
    scheduler.settle()
    assert blog.bindings(first)[0].date == DATES[1]
    if gone:
        with sa_session() as session:
            session.execute(association_table.delete())
    run_id = blog.run(None, run_type="asset_triggered")
    _consumed(run_id, (blog.dag_id, first))
    scheduler.settle()
    assert blog.is_right(run_id, 1)
    (bound,) = blog.bindings(run_id)
    assert (bound.date, bound.date_by) == (DATES[1], "asset_events")


@pytest.mark.acceptance("dates", 12, 24)
@pytest.mark.parametrize("on_latest", [False, True])
def test_a_cleared_run_of_assets_keeps_its_date_when_its_events_are_gone(
    blog: Dated, scheduler: Scheduler, on_latest: bool
) -> None:
    from airflow.models.asset import association_table

    run_id = _by_assets(blog, DATES[1])
    scheduler.settle()
    with sa_session() as session:
        session.execute(association_table.delete())
    blog.clear(run_id, run_on_latest_version=on_latest)
    scheduler.settle()
    assert blog.is_right(run_id, 1, relabelled=on_latest)
    assert [(one.date, one.date_by) for one in blog.bindings(run_id)] == [(DATES[1], "asset_events")] * 2


def test_a_run_without_any_date_of_data_is_of_the_time_from_which_on_it_may_run(
    blog: Dated, scheduler: Scheduler
) -> None:
    run_id = blog.run(None)
    early = blog.run(None, run_after=DATES[2])
    scheduler.settle()
    assert blog.is_right(run_id, 3) and blog.is_right(early, 2)
    assert [bound.date_by for bound in blog.bindings(early)] == ["run_after"]


@pytest.mark.acceptance("dates", 28)
def test_queue_pool_and_retries_are_those_of_the_version_that_it_is_bound_to(
    database: Any, scheduler: Scheduler, tmp_path: Path
) -> None:
    from airflow.models.pool import Pool
    from airflow.models.taskinstance import TaskInstance

    more = {
        build: {"task_args": f', queue="queue-{build}", pool="pool-{build}", retries={build}'}
        for build in (1, 2, 3)
    }
    with sa_session() as session:
        for build in more:
            Pool.create_or_update_pool(f"pool-{build}", 100, "", False, session=session)
    made = Dated(tmp_path, "queues", by_build=more)
    run_id = made.run(DATES[1])

    def instances() -> set[tuple[str, str]]:
        there = sa.or_(TaskInstance.state.is_(None), TaskInstance.state != "removed")
        query = select(TaskInstance.queue, TaskInstance.pool)
        with sa_session() as session:
            return {
                (row[0], row[1]) for row in session.execute(query.where(TaskInstance.run_id == run_id, there))
            }

    assert instances() == {("queue-3", "pool-3")}
    scheduler.schedule()
    assert instances() == {("queue-1", "pool-1")}
    with sa_session() as session:
        retries = select(TaskInstance.max_tries).where(TaskInstance.run_id == run_id)
        assert set(session.scalars(retries)) == {1}
    scheduler.settle()
    assert made.is_right(run_id, 1)


@pytest.mark.acceptance("dates", 28)
def test_deadlines_are_those_of_the_version_that_it_is_bound_to(
    database: Any, scheduler: Scheduler, tmp_path: Path
) -> None:
    from airflow.models.dagrun import DagRun
    from airflow.models.deadline import Deadline

    def deadline(hours: int) -> dict[str, str]:
        return {
            "dag_args": ", deadline=DeadlineAlert(reference=DeadlineReference.DAGRUN_QUEUED_AT,"
            f" interval=datetime.timedelta(hours={hours}),"
            " callback=AsyncCallback('some.module.late'))"
        }

    made = Dated(tmp_path, "deadlines", by_build={1: deadline(1), 3: deadline(3)})
    runs = {build: made.run(DATES[build]) for build in (1, 2, 3)}

    def hours(run_id: str) -> list[float]:
        query = select(Deadline.deadline_time, DagRun.queued_at).join(DagRun, DagRun.id == Deadline.dagrun_id)
        with sa_session() as session:
            found = session.execute(query.where(DagRun.run_id == run_id)).all()
        return [round((due - queued_at).total_seconds() / 3600, 1) for due, queued_at in found]

    assert [hours(run_id) for run_id in runs.values()] == [[3.0]] * 3
    scheduler.schedule()
    assert {build: hours(run_id) for build, run_id in runs.items()} == {1: [1.0], 2: [], 3: [3.0]}


@pytest.mark.acceptance("dates", 29)
def test_other_listeners_see_the_run_on_what_it_is_bound_to(blog: Dated, scheduler: Scheduler) -> None:
    import types

    from airflow.listeners import hookimpl
    from airflow.listeners.listener import get_listener_manager

    seen = []
    other = types.ModuleType("another_listener")

    def on_dag_run_running(dag_run: Any, msg: str) -> None:
        version = (dag_run.bundle_version, dag_run.created_dag_version_id, dag_run.created_dag_version.id)
        seen.append((dag_run.run_id, version, {one.task_id for one in dag_run.task_instances}))

    other.on_dag_run_running = hookimpl(on_dag_run_running)  # type: ignore[attr-defined]
    manager = get_listener_manager()
    manager.add_listener(other)
    try:
        run_id = blog.run(DATES[1] + timedelta(days=40))
        scheduler.settle()
    finally:
        manager.pm.unregister(other)
    came = blog.came(run_id)
    version = (blog.versions[1], came.dag_version_id, came.dag_version_id)
    assert seen == [(run_id, version, TASKS[1])]


def test_a_marked_run_of_a_dag_that_is_dated_no_more_takes_the_active_release(
    database: Any, scheduler: Scheduler, tmp_path: Path
) -> None:
    """A trigger read the mark, and the last era was taken away before it committed."""
    made = Dated(tmp_path, "once")
    run_id = made.run(DATES[1])
    made.set_eras([], revision=2)
    with sa_session() as session:
        session.execute(delete(t.start_rule).where(t.start_rule.c.dag_id == "once"))
    scheduler.settle()
    assert made.is_right(run_id, 3)


def test_a_file_that_moved_is_found_by_runs_of_an_era(
    database: Any, scheduler: Scheduler, blog: Dated
) -> None:
    """Airflow looks for its file where the active release has it: the era's version serves it there."""
    with sa_session() as session:
        session.execute(update(t.dag).where(t.dag.c.dag_id == "blog").values(stable_fileloc="moved/blog.py"))
    run_id = blog.run(DATES[1] + timedelta(days=90))
    try:
        scheduler.turn(4)
        came = blog.came(run_id)
    finally:
        with sa_session() as session:
            session.execute(update(t.dag).where(t.dag.c.dag_id == "blog").values(stable_fileloc="blog.py"))
    assert came.state == "success" and came.bundle_version is not None
    # It says of itself that it serves the file under another path.
    assert came.bundle_version.startswith(blog.versions[1]) and came.bundle_version != blog.versions[1]
