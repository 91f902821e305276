"""Eras set by the services over Airflow's own rows, and what its scheduler makes of runs before and after."""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest

from harness import asked
from harness.eras import DATES, TASKS, Dated, source
from harness.scheduling import Scheduler, listening_airflow
from pinwheel.core.request import ClearDatedRequest, EraWish, TimelineRequest
from pinwheel.core.run.mark import is_marked
from pinwheel.services.timeline import change, check, clear_runs, show
from pinwheel.services.timeline.views import TimelineChange
from pinwheel.services.upkeep.keeping_runs import Keeping
from pinwheel.store import releases

ROUNDS = 200 if os.environ.get("PINWHEEL_FAULTS") == "all" else 6


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database(request: pytest.FixtureRequest) -> Iterator[Any]:
    with listening_airflow(request.getfixturevalue(request.param)) as made:
        yield made


@pytest.fixture(scope="module")
def made(database: Any, tmp_path_factory: pytest.TempPathFactory) -> Dated:
    return Dated(tmp_path_factory.mktemp("blog"), eras=False)


@pytest.fixture(scope="module")
def scheduler(made: Dated) -> Scheduler:
    return Scheduler()


@pytest.fixture
def blog(made: Dated, scheduler: Scheduler) -> Iterator[Dated]:
    """Three builds, the third active; no timeline and no run that goes on."""
    yield made
    ask(made, "put")
    scheduler.settle()
    scheduler.given.clear()


def ask(blog: Dated, verb: str, *eras: EraWish, **more: Any) -> TimelineChange:
    request = TimelineRequest(dag_id=blog.dag_id, verb=verb, eras=eras, unchecked=True, **more)
    return change.change(blog.host, request, actor="ada")


def era(build: int, starts: str | None = None, until: str | None = "2024-01-01") -> EraWish:
    return EraWish(starts=starts, until=until, build=build)


_days = itertools.count(1)


def day(build: int = 1) -> datetime:
    """A date of its own, whose era is for this build."""
    return DATES[build] + timedelta(hours=next(_days))


def run(blog: Dated, build: int) -> str:
    """A run of a date of its own, whose era is for this build."""
    return blog.run(day(build))


def at_once(*works: Callable[[], Any]) -> list[Any]:
    barrier = threading.Barrier(len(works))

    def one(work: Callable[[], Any]) -> Any:
        from airflow import settings

        barrier.wait()
        try:
            return work()
        finally:
            settings.Session.remove()

    with ThreadPoolExecutor(len(works)) as pool:
        return [future.result() for future in [pool.submit(one, work) for work in works]]


def test_runs_are_on_the_builds_of_the_eras_that_were_set(blog: Dated, scheduler: Scheduler) -> None:
    ask(blog, "set", era(1, until="2021-01-01"), era(2, "2021-01-01"))
    runs = {build: run(blog, build) for build in DATES}
    assert all(is_marked(blog.came(run_id).bundle_version) for run_id in runs.values())
    scheduler.settle()
    assert {build: blog.is_right(run_id, build) for build, run_id in runs.items()} == dict.fromkeys(
        TASKS, True
    )
    shown = show.show(blog.host, blog.dag_id)
    assert [(each.build, each.counts.match) for each in shown.stretches if each.counts] == [
        (1, 1),
        (2, 1),
        (3, 1),
    ]


@pytest.mark.acceptance("dates", 19)
def test_queued_runs_take_the_new_era_and_started_ones_keep_theirs(blog: Dated, scheduler: Scheduler) -> None:
    began = run(blog, 1)
    scheduler.schedule()
    waits = run(blog, 1)
    told = ask(blog, "set", era(1))
    assert told.queued == 1
    scheduler.settle()
    assert blog.is_right(began, 3)
    assert blog.is_right(waits, 1)
    found = check.check(blog.host, blog.dag_id)
    assert (began, 3, 1) in {(each.run_id, each.build, each.wanted) for each in found.differ}


@pytest.mark.acceptance("dates", 19)
def test_a_run_that_is_made_while_an_era_is_set_is_on_it(blog: Dated, scheduler: Scheduler) -> None:
    wrong = []
    for number in range(ROUNDS):
        build = 1 + number % 2
        ask(blog, "put")
        _, run_id = at_once(lambda build=build: ask(blog, "set", era(build)), lambda: run(blog, 1))
        # One that was born without the mark is sent back in the first turn and bound in the next.
        scheduler.turn(2)
        came = blog.came(run_id)
        if (came.bundle_version, came.present) != (blog.versions[build], TASKS[build]):
            wrong.append((number, came))
        scheduler.settle()
    assert wrong == []


@pytest.mark.acceptance("dates", 20)
def test_what_does_not_match_is_cleared_and_runs_on_the_build_of_its_date(
    blog: Dated, scheduler: Scheduler
) -> None:
    runs = [run(blog, 1) for _ in range(3)]
    scheduler.settle()
    assert all(blog.is_right(run_id, 3) for run_id in runs)
    ask(blog, "set", era(1))
    request = ClearDatedRequest(dag_id=blog.dag_id, run_ids=runs, request_id=f"clear {runs[0]}")
    planned = clear_runs.clear(
        blog.host, ClearDatedRequest(dag_id=blog.dag_id, run_ids=runs, plan=True), actor="ada"
    )
    assert {each.run_id for each in planned.runs} == set(runs)
    assert {blog.came(run_id).state for run_id in runs} == {"success"}, "a plan changes nothing"
    done = clear_runs.clear(blog.host, request, actor="ada")
    assert {each.run_id for each in done.runs} == set(runs)
    scheduler.settle()
    assert all(blog.is_right(run_id, 1) for run_id in runs)
    assert clear_runs.clear(blog.host, request, actor="ada").runs == ()
    assert blog.bindings(runs[0])[-1].bound_by == "era"


def test_without_eras_the_rows_are_as_they_were(blog: Dated, scheduler: Scheduler) -> None:
    ask(blog, "set", era(1))
    waits = run(blog, 1)
    ask(blog, "put")
    run_id = run(blog, 1)
    assert not is_marked(blog.came(run_id).bundle_version)
    assert not is_marked(blog.came(waits).bundle_version)
    scheduler.settle()
    assert blog.is_right(run_id, 3) and blog.is_right(waits, 3)


def ahead(blog: Dated) -> int:
    """A turn of a keeper that has just begun; how many runs it bound."""
    return Keeping(blog.host, lambda: 0.0).bind_ahead()


@pytest.mark.acceptance("dates", 19)
def test_runs_that_were_bound_before_they_start_take_the_active_release_when_their_era_goes(
    blog: Dated, scheduler: Scheduler
) -> None:
    ask(blog, "set", era(1))
    bound = run(blog, 1)
    triggered = asked.trigger(blog.host, blog.dag_id, logical_date=day())
    assert ahead(blog) == 1
    active = run(blog, 3)
    assert {blog.came(each).bundle_version for each in (bound, triggered.run_id)} == {blog.versions[1]}
    ask(blog, "unset", era(1))
    assert not is_marked(blog.came(active).bundle_version), "it stands where it is to stand"
    scheduler.settle()
    assert [blog.is_right(each, 3) for each in (bound, triggered.run_id, active)] == [True] * 3
    assert [one.bound_by for one in blog.bindings(bound)] == ["era", "active"]


@pytest.mark.acceptance("dates", 19)
def test_runs_that_were_bound_before_they_start_take_each_era_that_is_set_next(
    blog: Dated, scheduler: Scheduler
) -> None:
    ask(blog, "set", era(1))
    bound, waits = run(blog, 1), run(blog, 1)
    assert ahead(blog) == 2
    assert ask(blog, "set", era(2)).queued == 2
    assert is_marked(blog.came(bound).bundle_version)
    ask(blog, "unset", era(2))
    assert is_marked(blog.came(waits).bundle_version), "it stands on build 1, and is to be bound"
    ask(blog, "set", era(2))
    scheduler.settle()
    assert [blog.is_right(each, 2) for each in (bound, waits)] == [True] * 2


@pytest.mark.acceptance("dates", 19)
def test_a_cleared_run_takes_the_new_era_where_its_date_was_asked_and_else_stays(
    blog: Dated, scheduler: Scheduler
) -> None:
    stays, moves, outside = run(blog, 1), run(blog, 1), run(blog, 3)
    scheduler.settle()
    ask(blog, "set", era(1))
    blog.clear(stays)
    asked.clear(blog.host, blog.dag_id, [moves], by_date=True)
    blog.clear(outside, run_on_latest_version=True)
    assert blog.came(moves).bundle_version == blog.versions[1]
    told = ask(blog, "set", era(2))
    assert told.queued == 1, "one that stays on what it was bound to does not, nor does one of another date"
    assert not is_marked(blog.came(stays).bundle_version)
    scheduler.settle()
    assert [blog.is_right(*one) for one in ((stays, 3), (moves, 2), (outside, 3))] == [True] * 3


def test_a_release_leaves_runs_that_are_bound_already_on_the_release_of_before(
    database: Any, scheduler: Scheduler, tmp_path: Any
) -> None:
    made = Dated(tmp_path, "gap")
    bound, waits = made.run(DATES[3]), made.run(DATES[1])
    assert ahead(made) == 2
    # As Airflow 3.4 makes a run whose bundle version somebody names.
    chosen, first = made.run(day(3)), made.host.unit.run(lambda s: releases.one(s, "gap", 1))
    assert first is not None
    made.set_run(chosen, created_dag_version_id=first.dag_version_id, bundle_version=made.versions[1])
    before = {each: made.came(each) for each in (bound, waits, chosen)}
    made.seeder.push({"gap.py": source("gap", 2, names=["start", "fourth"])})
    assert {each: made.came(each) for each in before} == before
    scheduler.settle()
    assert made.is_right(bound, 3) and made.is_right(waits, 1)
