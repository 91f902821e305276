"""Uninstalling while runs are judged by their dates: none is left that nobody would start."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from airflow.models.dag import DagModel
from airflow.models.dagrun import DagRun
from airflow.utils.session import create_session

from harness.eras import DATES, TASKS, Dated
from harness.scheduling import Scheduler
from pinwheel.core.run.mark import MARK, marked
from pinwheel.services.ingest import adopt
from pinwheel.services.upkeep import uninstall
from pinwheel.store import tables as t


def marks() -> int:
    """Rows of Airflow's that carry the mark."""
    with create_session() as session:
        return sum(
            session.scalar(
                sa.select(sa.func.count()).select_from(model).where(model.bundle_version.endswith(MARK))
            )
            for model in (DagModel, DagRun)
        )


@pytest.mark.acceptance("dates", 35)
def test_each_run_that_waits_is_bound_or_takes_the_active_release_and_starts_without_pinwheel(
    blog: Dated,
) -> None:
    with create_session() as session:
        c = t.release.c
        session.execute(sa.delete(t.release).where(c.dag_id == blog.dag_id, c.release == 2))
    made = {build: blog.run(DATES[build]) for build in (1, 2, 3)}
    cleared = blog.run(DATES[1] + timedelta(days=1), run_type="backfill")
    plan = uninstall.plan(blog.host)
    assert (plan.dated, plan.bound, plan.to_active) == (("blog",), 3, (f"blog {made[2]}",))
    assert marks() == 5, "a plan changes nothing"
    left = uninstall.uninstall(blog.host)
    assert (left.dated, left.bound, left.to_active) == (plan.dated, plan.bound, plan.to_active)
    assert any(sentence.startswith("Runs of 1 Dags were judged by their dates") for sentence in left.remains)
    assert marks() == 0
    for build, run_id in {1: made[1], 3: made[3]}.items():
        came = blog.came(run_id)
        assert (came.bundle_version, came.present) == (blog.versions[build], TASKS[build])
    assert blog.came(cleared).present == TASKS[1]
    assert (blog.came(made[2]).bundle_version, blog.came(made[2]).present) == (blog.versions[3], TASKS[3])
    scheduler = Scheduler()
    scheduler.settle()
    assert all(blog.came(run_id).state == "success" for run_id in (*made.values(), cleared))


@pytest.mark.acceptance("dates", 35)
def test_a_run_that_is_made_from_the_row_of_before_is_freed_by_the_second_look(blog: Dated) -> None:
    uninstall.uninstall(blog.host)
    late = blog.run(DATES[1])
    blog.set_run(late, bundle_version=marked(blog.versions[3]))
    assert (uninstall.look_again(blog.host), uninstall.look_again(blog.host)) == (1, 0)
    assert blog.came(late).bundle_version == blog.versions[3]


def test_a_deployment_without_dated_dags_leaves_as_ever(airflow_database: Any, tmp_path: Path) -> None:
    blog = Dated(tmp_path, eras=False)
    run_id = blog.run(DATES[1])
    left = uninstall.uninstall(blog.host)
    assert (left.dated, left.bound, left.to_active) == ((), 0, ())
    assert blog.came(run_id).bundle_version == blog.versions[3]


def test_adoption_takes_off_a_mark_that_an_earlier_installation_left_and_no_other(blog: Dated) -> None:
    run_id = blog.run(DATES[1])
    assert adopt.adopt(blog.host) == []
    assert marks() == 2, "these are ours"
    with create_session() as session:
        for table in (t.start_rule, t.release, t.stand, t.dag):
            session.execute(sa.delete(table).where(table.c.dag_id == blog.dag_id))
    assert adopt.adopt(blog.host) == ["blog"]
    assert marks() == 0
    assert blog.came(run_id).bundle_version == blog.versions[3]
