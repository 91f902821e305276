"""What a run does that cannot be bound by its date now: it waits, unbound and as it was, and others start."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import delete, select

from harness.eras import DATES, TASKS, Dated
from harness.scheduling import Scheduler
from integration.test_bound_by_date import blog as blog
from integration.test_bound_by_date import database as database
from integration.test_bound_by_date import executed, sa_session
from integration.test_bound_by_date import only_scheduler as only_scheduler
from integration.test_bound_by_date import scheduler as scheduler
from pinwheel.store import tables as t


def test_one_transaction_binds_for_so_long_and_one_run_at_least(
    blog: Dated, scheduler: Scheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pinwheel.airflow3.run import binder

    monkeypatch.setattr(binder, "BUDGET", 0.0)
    runs = [blog.run(DATES[1] + timedelta(days=50 + number)) for number in range(3)]
    started = []
    for _ in runs:
        scheduler.schedule()
        started.append(sum(blog.came(run_id).state == "running" for run_id in runs))
    assert started == [1, 2, 3]
    scheduler.settle()
    assert all(blog.is_right(run_id, 1) for run_id in runs)


@pytest.mark.acceptance("dates", 33)
def test_a_run_whose_version_row_is_gone_waits_until_the_keeper_made_it_again(
    blog: Dated, scheduler: Scheduler
) -> None:
    """And the others of the transaction start."""
    from pinwheel.services.release import whole

    run_id = blog.run(DATES[1] + timedelta(days=60))
    other = blog.run(DATES[2] + timedelta(days=60))
    queued_at = queue_time(run_id)
    with sa_session() as session:
        session.execute(delete(t.release).where(t.release.c.build_id == 1))
    scheduler.turn(3)
    came = blog.came(run_id)
    assert (came.state, came.bundle_version) == ("queued", f"{blog.versions[3]}?unbound")
    assert came.present == TASKS[3] and blog.bindings(run_id) == []
    assert queue_time(run_id) == queued_at
    assert blog.came(other).state != "queued"
    assert whole.make_missing(blog.host) == 1
    scheduler.settle()
    assert blog.is_right(run_id, 1) and blog.is_right(other, 2)


def queue_time(run_id: str) -> Any:
    from airflow.models.dagrun import DagRun

    with sa_session() as session:
        return session.scalar(select(DagRun.queued_at).where(DagRun.run_id == run_id))


def test_a_run_whose_instances_could_not_be_those_of_its_version_waits(
    database: Any, scheduler: Scheduler, tmp_path: Path
) -> None:
    """The old build's Dag begins later than the run's logical date: Airflow would make none of its tasks."""
    made = Dated(tmp_path, "late", by_build={1: {"start": 2020}})
    run_id = made.run(DATES[1])
    scheduler.turn(3)
    came = made.came(run_id)
    assert (came.state, came.present) == ("queued", TASKS[3])
    assert executed(scheduler, run_id) == set()
    # A backfill is not asked for its dates.
    backfilled = made.run(DATES[1] + timedelta(days=1), run_type="backfill")
    scheduler.turn(5)
    assert made.is_right(backfilled, 1)


@pytest.mark.acceptance("dates", 33)
def test_without_our_tables_marked_runs_wait_and_other_dags_are_as_in_stock(
    database: Any, scheduler: Scheduler, blog: Dated, tmp_path: Path
) -> None:
    plain = Dated(tmp_path, "plain", eras=False)
    run_id, other = blog.run(DATES[1] + timedelta(days=70)), plain.run(DATES[1])
    with database.engine().begin() as connection:
        connection.execute(sa.text("ALTER TABLE pinwheel_start_rule RENAME TO elsewhere_1"))
        connection.execute(sa.text("ALTER TABLE pinwheel_binding RENAME TO elsewhere_2"))
        connection.execute(sa.text("ALTER TABLE pinwheel_outcome RENAME TO elsewhere_3"))
    try:
        scheduler.turn(4)
        assert blog.came(run_id).state == "queued" and executed(scheduler, run_id) == set()
        assert plain.came(other).state == "success"
    finally:
        with database.engine().begin() as connection:
            connection.execute(sa.text("ALTER TABLE elsewhere_1 RENAME TO pinwheel_start_rule"))
            connection.execute(sa.text("ALTER TABLE elsewhere_2 RENAME TO pinwheel_binding"))
            connection.execute(sa.text("ALTER TABLE elsewhere_3 RENAME TO pinwheel_outcome"))
    scheduler.settle()
    assert blog.is_right(run_id, 1)


def test_where_the_rules_cannot_be_read_runs_of_dags_that_were_seen_dated_wait(
    database: Any, scheduler: Scheduler, blog: Dated, tmp_path: Path
) -> None:
    """The mark is lost at the same time."""
    plain = Dated(tmp_path, "stock", eras=False)
    blog.run(DATES[1] + timedelta(days=80))
    scheduler.settle()
    blog.set_row(blog.versions[3])
    run_id, other = blog.run(DATES[1] + timedelta(days=81)), plain.run(DATES[1])
    with database.engine().begin() as connection:
        connection.execute(sa.text("ALTER TABLE pinwheel_start_rule RENAME TO elsewhere"))
    try:
        scheduler.turn(2)
        assert blog.came(run_id).state == "queued" and executed(scheduler, run_id) == set()
        assert plain.came(other).state != "queued"
    finally:
        with database.engine().begin() as connection:
            connection.execute(sa.text("ALTER TABLE elsewhere RENAME TO pinwheel_start_rule"))
    scheduler.settle()
    assert blog.is_right(run_id, 1)
