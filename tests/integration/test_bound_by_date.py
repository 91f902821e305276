"""A run executes the build that its date calls for: Airflow's own scheduler, and no keeper."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.eras import DATES, TASKS, Dated
from harness.inprocess import bound_airflow
from harness.scheduling import Scheduler, listening


@pytest.fixture
def database(database_source: Any) -> Iterator[Any]:
    made = database_source.create()
    with bound_airflow(made), listening():
        yield made
    made.drop()


@pytest.fixture
def blog(database: Any, tmp_path: Path) -> Dated:
    return Dated(tmp_path)


@pytest.fixture
def scheduler(blog: Dated) -> Scheduler:
    return Scheduler()


@pytest.mark.acceptance("dates", 22)
@pytest.mark.parametrize("build", [1, 2, 3])
def test_a_run_executes_the_build_of_its_date(blog: Dated, scheduler: Scheduler, build: int) -> None:
    run_id = blog.run(DATES[build])
    assert blog.came(run_id).bundle_version == f"{blog.versions[3]}?unbound"
    scheduler.settle()
    assert blog.is_right(run_id, build)
    assert {(work.task_id, work.bundle_version) for work in scheduler.given} == {
        (task_id, blog.versions[build]) for task_id in TASKS[build]
    }
    (bound,) = blog.bindings(run_id)
    assert (bound.part, bound.bound_by, bound.date, bound.date_by) == (
        0,
        "active" if build == 3 else "era",
        DATES[build],
        "data_interval",
    )
    assert (bound.revision, bound.segment, bound.build_id) == (1, 0, build)
