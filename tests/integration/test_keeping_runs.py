"""What the keeper does for runs that are judged by their dates, beside Airflow's own scheduler."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from airflow.listeners.listener import get_listener_manager
from airflow.models.backfill import Backfill, BackfillDagRun
from airflow.models.dag_version import DagVersion
from airflow.models.dagrun import DagRun
from airflow.models.serialized_dag import SerializedDagModel
from airflow.models.taskinstance import TaskInstance
from airflow.sdk import timezone
from airflow.utils.session import create_session

from harness.eras import DATES, TASKS, Dated
from harness.scheduling import Scheduler, listening
from pinwheel.airflow3.run import listener
from pinwheel.core.run.mark import is_marked, marked
from pinwheel.services.run import bindings
from pinwheel.services.run.waiting import waiting_runs
from pinwheel.services.upkeep import beat, health, keeping_runs
from pinwheel.services.upkeep.beat import Beat
from pinwheel.services.upkeep.keeper_status import keeper_status
from pinwheel.services.upkeep.keeping_runs import RETRY, Keeping
from pinwheel.store import events
from pinwheel.store import tables as t


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def keeping(blog: Dated) -> Keeping:
    return Keeping(blog.host, Clock())


@pytest.fixture
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """What holds for a minute holds however long a test takes."""
    monkeypatch.setattr(keeping_runs, "MARKED_AGAIN", timedelta(days=1))
    monkeypatch.setattr(beat, "SECONDS", 86_400.0)


def told(blog: Dated, kind: str) -> list[tuple[str | None, Any]]:
    """Reasons and runs of the events of a kind, oldest first."""
    found = blog.host.unit.run(lambda s: events.of_kind(s, blog.dag_id, kind))
    return [(one.reason, one.details["run_id"]) for one in found]


@contextlib.contextmanager
def without_plugin() -> Iterator[None]:
    """No listener of ours is known to the scheduler in this process."""
    manager = get_listener_manager()
    known = manager.pm.is_registered(listener)
    if known:
        manager.pm.unregister(listener)
    try:
        yield
    finally:
        if known:
            manager.add_listener(listener)


def taken(blog: Dated, build: int) -> Any:
    """The release of a build, so that nothing knows its version row, until it is given back."""
    with create_session() as session:
        c = t.release.c
        row = session.execute(sa.select(t.release).where(c.dag_id == blog.dag_id, c.release == build)).one()
        session.execute(sa.delete(t.release).where(c.id == row.id))
        return dict(row._mapping)


def give_back(row: Any) -> None:
    with create_session() as session:
        session.execute(sa.insert(t.release).values(**row))


def start(blog: Dated, run_id: str) -> None:
    """As a scheduler without the plugin starts it."""
    blog.set_run(run_id, state="running", start_date=timezone.utcnow())


def test_runs_that_wait_in_the_queue_are_bound_ahead(blog: Dated, keeping: Keeping) -> None:
    made = {build: blog.run(DATES[build]) for build in (1, 2, 3)}
    assert keeping.bind_ahead() == 3
    for build, run_id in made.items():
        came = blog.came(run_id)
        assert (came.state, came.bundle_version, came.present) == (
            "queued",
            blog.versions[build],
            TASKS[build],
        )
        assert [one.bound_by for one in blog.bindings(run_id)] == ["active" if build == 3 else "era"]
    assert keeping.bind_ahead() == 0
    with listening():
        Scheduler().settle()
    assert all(blog.is_right(run_id, build) for build, run_id in made.items())


def test_a_run_that_waits_is_told_once_a_reason_and_bound_when_it_can_be(
    blog: Dated, keeping: Keeping
) -> None:
    row, run_id = taken(blog, 2), blog.run(DATES[2])
    clock: Any = keeping.clock
    assert keeping.bind_ahead() == 0
    (waiting,) = blog.host.unit.run(lambda s: waiting_runs(blog.host, s))
    assert (waiting.run_id, waiting.until, waiting.backfill) == (run_id, None, False)
    assert told(blog, "run_waits") == [(waiting.why, run_id)]
    clock.now += RETRY
    assert keeping.bind_ahead() == 0
    assert Keeping(blog.host, Clock()).bind_ahead() == 0, "another keeper tells it no more"
    assert len(told(blog, "run_waits")) == 1
    give_back(row)
    assert keeping.bind_ahead() == 0, "it is looked at again after a while only"
    clock.now += RETRY
    assert keeping.bind_ahead() == 1
    assert blog.came(run_id).bundle_version == blog.versions[2]
    assert blog.host.unit.run(lambda s: waiting_runs(blog.host, s)) == []


def test_a_run_that_was_just_made_is_left_for_a_moment_to_whoever_makes_it(blog: Dated) -> None:
    keeping = Keeping(blog.host, Clock(), leaves=timedelta(hours=1))
    run_id = blog.run(DATES[1])
    assert keeping.bind_ahead() == 0
    blog.set_run(run_id, queued_at=timezone.utcnow() - timedelta(hours=2))
    assert keeping.bind_ahead() == 1


def test_a_run_that_waits_without_the_mark_is_told_and_bound_too(blog: Dated, keeping: Keeping) -> None:
    """It was born while the mark was lost, say."""
    blog.set_row(blog.versions[3])
    row, waits, bound = taken(blog, 2), blog.run(DATES[2]), blog.run(DATES[1])
    blog.mark()
    assert keeping.bind_ahead() == 1
    assert blog.came(bound).bundle_version == blog.versions[1]
    assert [run_id for _, run_id in told(blog, "run_waits")] == [waits]
    (waiting,) = blog.host.unit.run(lambda s: waiting_runs(blog.host, s))
    assert waiting.run_id == waits
    give_back(row)


def test_a_cleared_run_that_waits_where_it_was_bound_to_is_left_alone(blog: Dated, keeping: Keeping) -> None:
    run_id = blog.run(DATES[1])
    with listening():
        Scheduler().settle()
    blog.clear(run_id)
    before = blog.came(run_id)
    assert (keeping.bind_ahead(), blog.came(run_id)) == (0, before)
    assert (len(blog.bindings(run_id)), told(blog, "run_waits")) == (1, [])


def test_a_run_that_somebody_else_holds_is_left_to_them(blog: Dated, keeping: Keeping) -> None:
    run_id = blog.run(DATES[1])
    found = blog.host.unit.run(lambda s: blog.host.reads.unbound_runs(s, ["queued"], 9))
    start(blog, run_id)
    assert blog.host.unit.run(lambda s: keeping._bind_queued(found[0], s)) == "a scheduler has it"
    assert blog.bindings(run_id) == []


@pytest.mark.acceptance("dates", 34)
def test_twenty_five_backfill_runs_that_can_not_be_bound_stop_nobody(blog: Dated, keeping: Keeping) -> None:
    row = taken(blog, 2)
    stuck = [blog.run(DATES[2] + timedelta(days=day), run_type="backfill") for day in range(25)]
    fine = [blog.run(DATES[1] + timedelta(days=day), run_type="backfill") for day in range(10)]
    in_backfill(blog, [*stuck, *fine])
    with listening():
        scheduler = Scheduler()
        for _ in range(3):
            keeping.bind_ahead()
            scheduler.turn(2)
        scheduler.turn(6)
        assert all(blog.is_right(run_id, 1) for run_id in fine)
        assert all(is_marked(blog.came(run_id).bundle_version) for run_id in stuck)
        assert [run.run_id for run in shown(blog)] == [*stuck, *fine], "the page keeps their order"
        give_back(row)
        keeping.clock.now += RETRY  # type: ignore[attr-defined]
        assert keeping.bind_ahead() == 25
        with create_session() as session:
            assert session.scalars(
                sa.select(BackfillDagRun.sort_ordinal).order_by(BackfillDagRun.id)
            ).all() == [*range(1, 36)]
        scheduler.turn(12)
    assert all(blog.is_right(run_id, 2) for run_id in stuck)


def test_a_backfill_run_that_waited_and_is_bound_by_the_scheduler_is_back_in_its_place(
    blog: Dated, keeping: Keeping
) -> None:
    def place() -> int:
        with create_session() as session:
            (found,) = session.scalars(sa.select(BackfillDagRun.sort_ordinal))
            return int(found)

    row, run_id = taken(blog, 2), blog.run(DATES[2], run_type="backfill")
    in_backfill(blog, [run_id])
    assert (keeping.bind_ahead(), place()) == (0, 1_000_001)
    give_back(row)
    with listening():
        Scheduler().settle()
    assert blog.is_right(run_id, 2) and place() == 1


def in_backfill(blog: Dated, run_ids: list[str]) -> None:
    with create_session() as session:
        row = Backfill(
            dag_id=blog.dag_id,
            from_date=DATES[1],
            to_date=DATES[2],
            max_active_runs=1000,
            reprocess_behavior="none",
        )
        session.add(row)
        session.flush()
        for ordinal, run_id in enumerate(run_ids, start=1):
            run = session.scalars(sa.select(DagRun).where(DagRun.run_id == run_id)).one()
            run.backfill_id = row.id
            session.add(
                BackfillDagRun(
                    backfill_id=row.id,
                    dag_run_id=run.id,
                    logical_date=run.logical_date,
                    sort_ordinal=ordinal,
                )
            )


def shown(blog: Dated) -> Any:
    with create_session() as session:
        backfill_id = session.scalar(sa.select(Backfill.id))
        return blog.host.runs.backfill_runs(session, backfill_id)


@pytest.mark.acceptance("dates", 25)
def test_a_run_that_is_cleared_while_it_runs_is_bound_again_and_what_failed_for_that_runs_again(
    blog: Dated, keeping: Keeping
) -> None:
    run_id = blog.run(DATES[1])
    with listening():
        scheduler = Scheduler()
        scheduler.schedule()
        scheduler.executor.work()
        scheduler.schedule()
    before = blog.came(run_id)
    assert (before.state, before.bundle_version) == ("running", blog.versions[1])
    fail(blog, run_id, "load", queued=timezone.utcnow())
    blog.clear(run_id, task_ids=["onprem"], run_on_latest_version=True)
    assert is_marked(blog.came(run_id).bundle_version)
    fail(blog, run_id, "onprem", queued=timezone.utcnow() + timedelta(seconds=1), number=2)
    assert keeping.mend_running() == 1
    came = blog.came(run_id)
    assert (came.state, came.bundle_version, came.present) == ("running", blog.versions[1], TASKS[1])
    assert came.tasks["onprem"] is None, "it failed with the mark, and executed nothing"
    assert came.tasks["load"] == "failed", "that failed by itself"
    assert [(run, bool(why)) for why, run in told(blog, "run_bound_late")] == [(run_id, True)]
    assert keeping.mend_running() == 0


def fail(blog: Dated, run_id: str, task_id: str, *, queued: Any, number: int = 1) -> None:
    """As its try of that number ends; 3.4 has the earlier ones in the same table."""
    with create_session() as session:
        session.execute(
            sa.update(TaskInstance)
            .where(TaskInstance.run_id == run_id, TaskInstance.task_id == task_id)
            .values(state="failed", queued_dttm=queued, start_date=queued, end_date=queued, try_number=number)
            .execution_options(synchronize_session=False)
        )


def test_a_run_that_a_scheduler_without_the_plugin_starts_is_bound_and_that_names_the_job(
    blog: Dated, keeping: Keeping
) -> None:
    run_id = blog.run(DATES[1])
    scheduler = Scheduler()
    with without_plugin():
        scheduler.schedule()
        scheduler.schedule()
    assert {is_marked(work.bundle_version) for work in scheduler.given} == {True}
    job = scheduler._runner.job.id
    for task_id in {work.task_id for work in scheduler.given}:
        fail(blog, run_id, task_id, queued=timezone.utcnow())
    assert keeping.mend_running() == 1
    ((why, named),) = told(blog, "run_started_unbound")
    assert named == run_id and f"job {job} on " in (why or "")
    assert (blog.came(run_id).bundle_version, blog.came(run_id).present) == (blog.versions[1], TASKS[1])
    with listening():
        Scheduler().settle()
    assert blog.is_right(run_id, 1)


def test_a_run_that_started_unbound_and_can_not_be_bound_is_told_all_the_same(
    blog: Dated, keeping: Keeping
) -> None:
    """The bind is refused, and all that was written with it is undone."""
    run_id = blog.run(DATES[1])
    scheduler = Scheduler()
    with without_plugin():
        scheduler.schedule()
    without_structure(blog, 1)
    assert (keeping.mend_running(), is_marked(blog.came(run_id).bundle_version)) == (0, True)
    ((why, named),) = told(blog, "run_started_unbound")
    assert named == run_id and f"job {scheduler._runner.job.id} on " in (why or "")
    assert told(blog, "run_waits") == [("the version row of its build and date is gone", run_id)]
    assert (blog.bindings(run_id), told(blog, "run_bound_late")) == ([], [])
    assert Keeping(blog.host, Clock()).mend_running() == 0
    assert (len(told(blog, "run_started_unbound")), len(told(blog, "run_waits"))) == (1, 1)


def without_structure(blog: Dated, build: int) -> None:
    """The version row of a build's release is there still, and what Airflow makes the Dag of is not."""
    with create_session() as session:
        version = sa.select(DagVersion.id).where(
            DagVersion.dag_id == blog.dag_id, DagVersion.version_number == build
        )
        session.execute(
            sa.delete(SerializedDagModel)
            .where(SerializedDagModel.dag_version_id.in_(version))
            .execution_options(synchronize_session=False)
        )


def test_a_run_that_ended_with_the_mark_is_told_once_and_left_as_it_is(blog: Dated, keeping: Keeping) -> None:
    run_id = blog.run(DATES[1])
    blog.set_run(run_id, state="success", start_date=timezone.utcnow(), end_date=timezone.utcnow())
    assert (keeping.tell_ended(), keeping.tell_ended()) == (1, 0)
    assert Keeping(blog.host, Clock()).tell_ended() == 0
    assert [run for _, run in told(blog, "run_started_unbound")] == [run_id]
    assert is_marked(blog.came(run_id).bundle_version)


def test_a_run_of_a_dated_dag_that_runs_elsewhere_than_its_date_says_is_bound(
    blog: Dated, keeping: Keeping
) -> None:
    blog.set_row(blog.versions[3])
    run_id = blog.run(DATES[1])
    start(blog, run_id)
    assert bindings.record_bindings(blog.host) == 0, "it is the keeper's"
    assert keeping.mend_running() == 1
    assert (blog.came(run_id).bundle_version, blog.came(run_id).present) == (blog.versions[1], TASKS[1])


def test_running_runs_that_can_not_be_bound_keep_no_newer_one_from_it(
    blog: Dated, keeping: Keeping, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping_runs, "A_TURN", 1)
    taken(blog, 2)
    for day in range(4):
        start(blog, blog.run(DATES[2] + timedelta(days=day)))
    run_id = blog.run(DATES[1])
    start(blog, run_id)
    assert (keeping.mend_running(), keeping.bind_ahead(), keeping.mend_running()) == (0, 0, 1)
    assert blog.came(run_id).bundle_version == blog.versions[1]


def test_a_run_that_began_before_its_dag_was_judged_by_dates_stays_and_is_recorded(
    airflow_database: Any, tmp_path: Path
) -> None:
    blog = Dated(tmp_path, eras=False)
    run_id = blog.run(DATES[1])
    start(blog, run_id)
    blog.set_eras()
    keeping = Keeping(blog.host, Clock())
    keeping.mend_running()
    came = blog.came(run_id)
    assert (came.bundle_version, came.present) == (blog.versions[3], TASKS[3])
    assert [one.bound_by for one in blog.bindings(run_id)] == ["active"]
    assert told(blog, "run_bound_late") == []


def test_a_run_that_was_born_unmarked_is_marked_while_its_dag_is_newly_judged(
    blog: Dated, keeping: Keeping, unhurried: None
) -> None:
    blog.set_row(blog.versions[3])
    run_id = blog.run(DATES[1])
    blog.mark()
    assert not is_marked(blog.came(run_id).bundle_version)
    keeping.mark_again()
    assert is_marked(blog.came(run_id).bundle_version)
    assert keeping.bind_ahead() == 1


def test_a_run_that_is_bound_ahead_gets_no_mark_again_while_its_dag_is_newly_judged(
    blog: Dated, keeping: Keeping, unhurried: None
) -> None:
    run_id = blog.run(DATES[1])
    assert keeping.bind_ahead() == 1
    bound = blog.came(run_id)
    keeping.mark_again()
    assert (blog.came(run_id), keeping.bind_ahead(), len(blog.bindings(run_id))) == (bound, 0, 1)


def test_one_run_that_can_not_be_looked_at_stops_no_other(
    blog: Dated, keeping: Keeping, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = blog.run(DATES[1]), blog.run(DATES[2])
    whole = Keeping._bind_queued

    def broken(self: Keeping, run: Any, session: Any) -> str | None:
        found = whole(self, run, session)
        if run.run_id == first:
            raise RuntimeError("of the test")
        return found

    monkeypatch.setattr(Keeping, "_bind_queued", broken)
    with pytest.raises(RuntimeError):
        keeping.bind_ahead()
    assert is_marked(blog.came(first).bundle_version) and blog.bindings(first) == []
    assert blog.came(second).bundle_version == blog.versions[2]


@pytest.mark.acceptance("dates", 34)
def test_health_says_when_runs_that_wait_hold_up_backfills_and_which_ended_unbound(
    blog: Dated, keeping: Keeping, unhurried: None
) -> None:
    Beat(blog.host, holder="m:1").beat()
    row = taken(blog, 2)
    made = [blog.run(DATES[2] + timedelta(days=day)) for day in range(9)]
    assert health.health(blog.host).problems == ()
    made.append(blog.run(DATES[2] + timedelta(days=9)))
    (problem,) = health.health(blog.host).problems
    assert problem.startswith("10 runs wait to be bound, and a scheduler looks at 20 queued runs in a turn")
    found = keeper_status(blog.host)
    assert (found.waiting_runs, [one.run_id for one in found.waiting]) == (10, made)
    assert found.waiting[0].why.startswith("the version row")
    hidden = keeper_status(blog.host, sees_runs=lambda dag_ids: set())
    assert (hidden.waiting_runs, hidden.waiting, hidden.problems) == (10, (), (problem,))
    give_back(row)
    assert keeping.bind_ahead() == 10
    unbound = marked(blog.versions[3])
    blog.set_run(made[0], bundle_version=unbound, state="success", end_date=timezone.utcnow())
    (problem,) = health.health(blog.host).problems
    assert problem.startswith("1 run ended without having been bound")
    assert [(one.run_id, one.state) for one in keeper_status(blog.host).unbound] == [(made[0], "success")]
