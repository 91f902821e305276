"""Runs that somebody makes or runs again on a Dag whose runs are judged by dates."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from airflow.models.dagrun import DagRun
from airflow.models.taskinstance import TaskInstance
from airflow.sdk import timezone
from airflow.utils.session import create_session

from harness import asked, windowed
from harness.eras import DATES, TASKS, Dated
from harness.scheduling import Scheduler, listening
from harness.seed import Seeder
from pinwheel.core.errors import InvalidInput, Refused
from pinwheel.core.release.decide import Verb
from pinwheel.core.request import BackfillRequest, ClearRequest, TriggerRequest
from pinwheel.core.run.mark import is_marked
from pinwheel.services import change
from pinwheel.services.release import variants
from pinwheel.services.run import clear_preview
from pinwheel.services.run.backfill import backfill
from pinwheel.services.run.clear import clear
from pinwheel.services.run.trigger import trigger
from pinwheel.services.upkeep.keeping_runs import Keeping
from pinwheel.store import bindings


def started(blog: Dated, date: datetime | None, **more: Any) -> Any:
    return trigger(blog.host, TriggerRequest(dag_id=blog.dag_id, logical_date=date, **more), actor="ada")


@pytest.mark.acceptance("dates", 22)
@pytest.mark.parametrize("by_date", [False, True])
def test_a_run_that_is_triggered_is_bound_by_its_date_at_once(blog: Dated, by_date: bool) -> None:
    for build in (1, 2, 3):
        bound = started(blog, DATES[build], by_date=by_date)
        came = blog.came(bound.run_id)
        assert (bound.build, bound.bundle_version) == (build, blog.versions[build])
        assert (came.state, came.bundle_version, came.present) == (
            "queued",
            blog.versions[build],
            TASKS[build],
        )
        (written,) = blog.bindings(bound.run_id)
        assert (written.bound_by, written.actor, written.date) == (
            "active" if build == 3 else "era",
            "ada",
            DATES[build],
        )
    with listening():
        Scheduler().settle()
    assert blog.is_right(bound.run_id, 3), blog.came(bound.run_id)


def test_a_build_that_somebody_names_stays_theirs(blog: Dated) -> None:
    bound = started(blog, DATES[1], build=2)
    assert (bound.build, bound.bundle_version) == (2, blog.versions[2])
    assert [one.bound_by for one in blog.bindings(bound.run_id)] == ["hand"]
    Keeping(blog.host, lambda: 0.0).bind_ahead()
    with listening():
        Scheduler().settle()
    assert blog.is_right(bound.run_id, 2)


PARAM = "__import__('airflow.sdk', fromlist=['Param']).Param(type='integer')"


@pytest.mark.parametrize("eras", [True, False])
def test_a_run_is_asked_for_as_the_build_of_its_date_has_it(
    airflow_database: Any, tmp_path: Path, eras: bool
) -> None:
    """Its params and the kinds of runs that it allows: those of the active release are for other dates."""
    more = {
        1: {"dag_args": f", params={{'year': {PARAM}}}"},
        2: {"schedule": "'@yearly'", "dag_args": ", allowed_run_types=['scheduled']"},
        3: {"dag_args": f", params={{'fees': {PARAM}}}"},
    }
    blog = Dated(tmp_path, by_build=more, eras=eras)
    wanted = {1: {"year": 2019}, 3: {"fees": 2}} if eras else {1: {"fees": 1}, 3: {"fees": 2}}
    for build, conf in wanted.items():
        bound = started(blog, DATES[build], conf=conf)
        assert (bound.build, blog.came(bound.run_id).present) == (
            (build, TASKS[build]) if eras else (3, TASKS[3])
        )
        other = DATES[build] + timedelta(days=1)
        for wrong in ({}, {"year": "x"}, {"fees": "x"}):
            with pytest.raises(InvalidInput, match=next(iter(conf))):
                started(blog, other, conf=wrong)
    if eras:
        with pytest.raises(Refused, match="does not allow manual runs"):
            started(blog, DATES[2], conf={"fees": 1})
    assert len(blog.ids()) == 2


def test_both_a_build_and_that_of_the_date_are_refused(blog: Dated) -> None:
    with pytest.raises(InvalidInput, match="both a build and the one of its date"):
        TriggerRequest(dag_id="blog", build=2, by_date=True)


def test_without_eras_the_build_of_the_date_is_the_active_one(airflow_database: Any, tmp_path: Path) -> None:
    blog = Dated(tmp_path, eras=False)
    bound = started(blog, DATES[1], by_date=True)
    assert (bound.build, bound.bundle_version) == (3, blog.versions[3])
    assert [one.bound_by for one in blog.bindings(bound.run_id)] == ["active"]


def test_a_cleared_run_stays_where_it_was_unless_that_of_its_date_is_asked_for(blog: Dated) -> None:
    run_id = started(blog, DATES[1], build=2).run_id
    with listening():
        Scheduler().settle()
        (stays,) = clear(blog.host, ClearRequest(dag_id="blog", run_ids=[run_id]), actor="ada")
        assert stays.build == 2
        with pytest.raises(Refused, match="it is running"):
            blog.set_run(run_id, state="running", start_date=timezone.utcnow())
            clear(blog.host, ClearRequest(dag_id="blog", run_ids=[run_id], by_date=True), actor="ada")
        blog.set_run(run_id, state="success")
        (moved,) = clear(blog.host, ClearRequest(dag_id="blog", run_ids=[run_id], by_date=True), actor="ada")
        assert (moved.build, moved.bundle_version) == (1, blog.versions[1])
        assert [one.bound_by for one in blog.bindings(run_id)] == ["hand", "hand", "era"]
        Scheduler().settle(turns=30)
    assert blog.is_right(run_id, 1), blog.came(run_id)


def test_by_date_dates_that_a_backfill_runs_again_are_on_their_builds_whatever_the_dag_says_of_reruns(
    airflow_database: Any, tmp_path: Path
) -> None:
    daily = {"schedule": repr("@daily"), "dag_args": ", rerun_with_latest_version=False"}
    blog = Dated(tmp_path, by_build={1: daily, 2: daily, 3: daily})
    day = datetime(2020, 12, 30, tzinfo=UTC)
    run_id = started(blog, day, build=3).run_id
    blog.set_run(run_id, state="success", start_date=day)
    made = backfill(
        blog.host,
        BackfillRequest(
            dag_id="blog", from_date=day, to_date=day, by_date=True, reprocess_behavior="completed"
        ),
        actor="ada",
    )
    assert [(run.run_id, run.outcome) for run in made.runs] == [(run_id, "cleared")]
    assert Keeping(blog.host, lambda: 0.0).bind_ahead() == 1
    assert blog.came(run_id).bundle_version == blog.versions[1]


def test_each_run_of_a_backfill_is_on_the_build_of_its_date(airflow_database: Any, tmp_path: Path) -> None:
    daily = {"schedule": repr("@daily")}
    blog = Dated(tmp_path, by_build={1: daily, 2: daily, 3: daily})
    edge = datetime(2020, 12, 30, tzinfo=UTC)
    asked = BackfillRequest(dag_id="blog", from_date=edge, to_date=edge + timedelta(days=3), by_date=True)
    made = backfill(blog.host, asked, actor="ada")
    assert (made.build, len(made.runs)) == (None, 4)
    assert all(is_marked(blog.came(str(run.run_id)).bundle_version) for run in made.runs)
    assert not any(blog.bindings(str(run.run_id)) for run in made.runs)
    assert Keeping(blog.host, lambda: 0.0).bind_ahead() == 4
    assert [blog.came(str(run.run_id)).bundle_version for run in made.runs] == [
        blog.versions[build] for build in (1, 1, 2, 2)
    ]


def test_runs_of_a_backfill_that_are_born_without_the_mark_are_on_the_build_of_their_date_too(
    airflow_database: Any, tmp_path: Path
) -> None:
    daily = {"schedule": repr("@daily")}
    blog = Dated(tmp_path, by_build={1: daily, 2: daily, 3: daily})
    blog.set_row(blog.versions[3])
    edge = datetime(2020, 12, 31, tzinfo=UTC)
    asked = BackfillRequest(dag_id="blog", from_date=edge, to_date=edge + timedelta(days=1))
    made = backfill(blog.host, asked, actor="ada")
    assert (made.build, len(made.runs)) == (None, 2)
    assert not any(blog.bindings(str(run.run_id)) for run in made.runs)
    assert Keeping(blog.host, lambda: 0.0).bind_ahead() == 2
    assert [blog.came(str(run.run_id)).bundle_version for run in made.runs] == [
        blog.versions[build] for build in (1, 2)
    ]


@pytest.mark.acceptance("dates", 42)
def test_a_preview_of_a_clear_shows_the_build_of_the_runs_date_and_changes_nothing(blog: Dated) -> None:
    run_id = started(blog, DATES[1], build=2).run_id
    with listening():
        Scheduler().settle()
    before = blog.came(run_id), blog.bindings(run_id)

    def seen(**more: Any) -> clear_preview.Preview:
        return clear_preview.preview(blog.host, blog.dag_id, run_id, actor="ada", **more)

    told = seen(by_date=True)
    assert (told.from_version, told.version, told.moves, told.refusal) == ("r2", "r1", True, None)
    assert set(told.tasks) | set(told.added) == set(TASKS[1])
    assert told.command is not None and "--build=by-date" in told.command
    assert (blog.came(run_id), blog.bindings(run_id)) == before
    blog.set_run(run_id, state="running", start_date=timezone.utcnow())
    assert "it is running" in (seen(by_date=True).refusal or "")


@pytest.mark.acceptance("dates", 11)
def test_a_trial_and_a_build_by_hand_leave_out_the_tasks_that_have_no_place_at_the_runs_date(
    airflow_database: Any, tmp_path: Path
) -> None:
    seeder = Seeder(tmp_path)
    seeder.push(windowed.blog())
    change.apply(seeder.host, asked.change(verb=Verb.PIN, dag_ids=("blog",), actor="ada"))
    more = "EmptyOperator(task_id='added', start_date=START, end_date=END)"
    seeder.push(windowed.blog(more=more))
    of_2019, of_2020 = windowed.COMMON | windowed.OLD, windowed.COMMON | windowed.NEW
    wanted = {
        (None, datetime(2019, 12, 10, tzinfo=UTC)): (1, of_2019, "active"),
        (None, datetime(2020, 6, 10, tzinfo=UTC)): (1, of_2020, "active"),
        (1, datetime(2019, 12, 11, tzinfo=UTC)): (1, of_2019, "hand"),
        (2, datetime(2019, 12, 12, tzinfo=UTC)): (2, of_2019 | {"added"}, "trial"),
        (2, datetime(2020, 6, 12, tzinfo=UTC)): (2, of_2020 | {"added"}, "trial"),
    }
    for (build, date), (number, tasks, bound_by) in wanted.items():
        variants.make_missing(seeder.host)
        asked_for = TriggerRequest(dag_id="blog", build=build, logical_date=date)
        made = trigger(seeder.host, asked_for, actor="ada")
        with create_session() as session:
            of_run = sa.select(TaskInstance.task_id).where(TaskInstance.run_id == made.run_id)
            assert (made.build, set(session.scalars(of_run))) == (number, tasks), (build, date)
            (bound,) = bindings.of_runs(session, "blog", [made.run_id])[made.run_id]
        assert (bound.bound_by, bound.segment) == (bound_by, 1 if date.year == 2019 else 3)
        assert made.bundle_version is not None and not is_marked(made.bundle_version)
    again = ClearRequest(dag_id="blog", run_ids=[made.run_id], build=1)
    with create_session() as session:
        session.execute(sa.update(DagRun).where(DagRun.run_id == made.run_id).values(state="failed"))
    (cleared,) = clear(seeder.host, again, actor="ada")
    with create_session() as session:
        of_run = sa.select(TaskInstance.task_id).where(TaskInstance.run_id == made.run_id)
        assert (cleared.build, set(session.scalars(of_run))) == (1, of_2020)
