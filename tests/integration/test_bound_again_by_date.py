"""Runs that were cleared, moved by Airflow or born without the mark are bound by their dates as well."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from sqlalchemy import delete, select

from harness.eras import DATES, Dated
from harness.scheduling import Scheduler
from integration.test_bound_by_date import all_of, executed, sa_session
from integration.test_bound_by_date import blog as blog
from integration.test_bound_by_date import database as database
from integration.test_bound_by_date import only_scheduler as only_scheduler
from integration.test_bound_by_date import scheduler as scheduler
from pinwheel.airflow3.compat import airflow_34_plus
from pinwheel.store import tables as t


@pytest.mark.acceptance("dates", 24)
def test_a_run_of_other_tasks_that_is_cleared_on_latest_is_bound_and_its_old_tries_are_kept(
    database: Any, scheduler: Scheduler, tmp_path: Path
) -> None:
    """It ran on the active release before the Dag had any era."""
    from harness.asked import history

    ran = Dated(tmp_path, "ran", eras=False)
    run_id = ran.run(DATES[1])
    scheduler.settle()
    assert ran.is_right(run_id, 3)
    ran.set_eras()
    ran.clear(run_id, run_on_latest_version=True)
    assert ran.came(run_id).bundle_version == f"{ran.versions[3]}?unbound"
    scheduler.given.clear()
    scheduler.settle()
    assert ran.is_right(run_id, 1)
    assert executed(scheduler, run_id) == all_of(ran, 1)
    assert {task for task, state in ran.came(run_id).tasks.items() if state == "removed"} == {
        "cloud",
        "publish",
    }
    before, after = ran.bindings(run_id)
    assert (before.bound_by, before.build_id, after.bound_by, after.seq) == ("active", 6, "era", 1)
    shown = {(row.task_id, row.try_number, row.build) for row in history(ran.host, "ran")}
    assert {("cloud", 1, 3), ("publish", 1, 3), ("start", 1, 3), ("onprem", 1, 1)} <= shown


def test_a_cleared_run_stays_on_what_it_was_bound_to_and_the_ledger_says_so(
    blog: Dated, scheduler: Scheduler
) -> None:
    run_id = blog.run(DATES[2] + timedelta(days=1))
    scheduler.settle()
    blog.clear(run_id)
    scheduler.settle()
    assert blog.is_right(run_id, 2)
    first, second = blog.bindings(run_id)
    assert (first.seq, second.seq, second.bound_by, second.date) == (0, 1, "era", first.date)
    assert second.tries is not None


@pytest.mark.acceptance("dates", 24, 27)
def test_a_run_that_ended_before_pinwheel_was_chosen_by_nobody_and_is_bound_when_it_is_cleared(
    blog: Dated, scheduler: Scheduler
) -> None:
    """It stands on a row of a release that is active no more, and no ledger tells of it."""
    run_id = blog.run(DATES[1] + timedelta(days=2))
    scheduler.settle()
    assert blog.is_right(run_id, 1)
    with sa_session() as session:
        session.execute(delete(t.binding).where(t.binding.c.run_id == run_id))
    later = DATES[2] + timedelta(days=12)
    blog.set_run(run_id, logical_date=later, data_interval_start=later, data_interval_end=later)
    blog.clear(run_id)
    scheduler.settle()
    assert blog.is_right(run_id, 2)
    assert [(bound.bound_by, bound.seq) for bound in blog.bindings(run_id)] == [("era", 1)]


@pytest.mark.acceptance("dates", 25)
def test_clear_only_new_tasks_puts_no_task_of_another_build_into_a_run(
    blog: Dated, scheduler: Scheduler
) -> None:
    run_id = blog.run(DATES[1] + timedelta(days=10))
    scheduler.settle()
    assert blog.is_right(run_id, 1)
    blog.clear(run_id, only_new=True)
    # Airflow takes the commit of the version row, which has no mark.
    assert blog.came(run_id).bundle_version == blog.versions[3]
    scheduler.given.clear()
    scheduler.settle()
    # It also took the row for all instances, those among them that ran.
    assert blog.is_right(run_id, 1, relabelled=True)
    assert executed(scheduler, run_id) <= all_of(blog, 1)
    assert {bound.build_id for bound in blog.bindings(run_id)} == {1}


@pytest.mark.acceptance("dates", 26)
@pytest.mark.parametrize("lost", ["none", "commit"])
def test_a_run_that_was_born_while_the_mark_was_lost_is_bound_all_the_same(
    blog: Dated, scheduler: Scheduler, lost: str
) -> None:
    """``dags test`` and ``tasks test`` leave None, reserialize and a stock processor the commit."""
    blog.set_row(None if lost == "none" else blog.versions[3])
    run_id = blog.run(DATES[1] + timedelta(days=20 if lost == "none" else 21))
    scheduler.schedule()
    came = blog.came(run_id)
    assert (came.state, came.bundle_version) == ("queued", f"{blog.versions[3]}?unbound")
    assert scheduler.given == []
    scheduler.settle()
    assert blog.is_right(run_id, 1)
    assert executed(scheduler, run_id) == all_of(blog, 1)


@pytest.mark.acceptance("dates", 27)
def test_a_bundle_version_that_somebody_chose_in_airflow_is_by_hand(
    blog: Dated, scheduler: Scheduler
) -> None:
    """As 3.4 makes a run with ``bundle_version`` in the body: on that version's row and commit.

    On 3.3, where nobody can, such a run was born while the mark was lost, before a release.
    """
    from airflow.models.dag_version import DagVersion

    run_id = blog.run(DATES[1] + timedelta(days=30))
    with sa_session() as session:
        version = session.scalar(
            select(DagVersion.id).where(
                DagVersion.dag_id == blog.dag_id, DagVersion.bundle_version == blog.versions[2]
            )
        )
    blog.host.unit.run(
        lambda session: blog.host.runs.rebind_run(
            session, blog.dag_id, run_id, dag_version_id=version, bundle_version=blog.versions[2]
        )
    )
    scheduler.settle()
    by, build = ("hand", 2) if airflow_34_plus() else ("era", 1)
    assert blog.is_right(run_id, build)
    (bound,) = blog.bindings(run_id)
    assert (bound.bound_by, bound.build_id) == (by, build)


def test_what_is_cleared_on_latest_is_bound_by_the_eras_of_now_and_a_plain_clear_is_not(
    database: Any, scheduler: Scheduler, tmp_path: Path
) -> None:
    made = Dated(tmp_path, "moved")
    stays, moves = made.run(DATES[1]), made.run(DATES[1] + timedelta(days=1))
    scheduler.settle()
    with sa_session() as session:
        (first, second) = made.eras(session)
    made.set_eras([evolve(second, starts_at=None, written_from=None)], revision=2)
    made.clear(stays)
    made.clear(moves, run_on_latest_version=True)
    scheduler.settle()
    assert made.is_right(stays, 1) and made.is_right(moves, 2)
    assert [(one.bound_by, one.revision) for one in made.bindings(moves)] == [("era", 1), ("era", 2)]
    assert first.build == 1
