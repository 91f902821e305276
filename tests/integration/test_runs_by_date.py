"""Runs that somebody makes or runs again on a Dag whose runs are judged by dates."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import timezone

from harness.eras import DATES, TASKS, Dated
from harness.inprocess import bound_airflow
from harness.scheduling import Scheduler, listening
from pinwheel.core.errors import InvalidInput, Refused
from pinwheel.core.request import BackfillRequest, ClearRequest, TriggerRequest
from pinwheel.core.run.mark import is_marked
from pinwheel.services.run import clear_preview
from pinwheel.services.run.backfill import backfill
from pinwheel.services.run.clear import clear
from pinwheel.services.run.trigger import trigger
from pinwheel.services.upkeep.keeping_runs import Keeping


@pytest.fixture
def database(database_source: Any) -> Iterator[Any]:
    made = database_source.create()
    with bound_airflow(made):
        yield made
    made.drop()


@pytest.fixture
def blog(database: Any, tmp_path: Path) -> Dated:
    return Dated(tmp_path)


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
    assert blog.is_right(bound.run_id, 3)


def test_a_build_that_somebody_names_stays_theirs(blog: Dated) -> None:
    bound = started(blog, DATES[1], build=2)
    assert (bound.build, bound.bundle_version) == (2, blog.versions[2])
    assert [one.bound_by for one in blog.bindings(bound.run_id)] == ["hand"]
    Keeping(blog.host, lambda: 0.0).bind_ahead()
    with listening():
        Scheduler().settle()
    assert blog.is_right(bound.run_id, 2)


def test_both_a_build_and_that_of_the_date_are_refused(blog: Dated) -> None:
    with pytest.raises(InvalidInput, match="both a build and the one of its date"):
        TriggerRequest(dag_id="blog", build=2, by_date=True)


def test_without_eras_the_build_of_the_date_is_the_active_one(database: Any, tmp_path: Path) -> None:
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


def test_each_run_of_a_backfill_is_on_the_build_of_its_date(database: Any, tmp_path: Path) -> None:
    daily = {"schedule": repr("@daily")}
    blog = Dated(tmp_path, by_build={1: daily, 2: daily, 3: daily})
    edge = datetime(2020, 12, 30, tzinfo=timezone.utc)
    asked = BackfillRequest(dag_id="blog", from_date=edge, to_date=edge + timedelta(days=3), by_date=True)
    made = backfill(blog.host, asked, actor="ada")
    assert (made.build, len(made.runs)) == (None, 4)
    assert all(is_marked(blog.came(str(run.run_id)).bundle_version) for run in made.runs)
    assert not any(blog.bindings(str(run.run_id)) for run in made.runs)
    assert Keeping(blog.host, lambda: 0.0).bind_ahead() == 4
    assert [blog.came(str(run.run_id)).bundle_version for run in made.runs] == [
        blog.versions[build] for build in (1, 1, 2, 2)
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
