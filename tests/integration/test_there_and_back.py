"""A run that is moved to a build of other tasks and back, again and again: what comes back runs once more."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from airflow.utils.session import create_session
from attrs import evolve

from harness import asked
from harness.eras import DATES, TASKS, Dated
from harness.inprocess import bound_airflow
from harness.scheduling import Scheduler, listening
from pinwheel.services.upkeep.keeping_runs import Keeping

WISHES: dict[str, Mapping[str, Any]] = {
    "whole": {},
    "part": {"task_ids": ["start"]},
    "only failed": {"only_failed": True},
}
THERE_AND_BACK = (1, 3, 1, 3)
"""Builds on which the run is put after the first, which is 3."""


@pytest.fixture
def database(database_source: Any) -> Iterator[Any]:
    made = database_source.create()
    with bound_airflow(made), listening():
        yield made
    made.drop()


def tries(blog: Dated) -> dict[str, list[int | None]]:
    """By task, the build of each of its tries."""
    shown: dict[str, list[int | None]] = {}
    for row in sorted(asked.history(blog.host, blog.dag_id), key=lambda row: row.try_number):
        shown.setdefault(row.task_id, []).append(row.build)
    return shown


@pytest.mark.acceptance("dates", 24)
@pytest.mark.parametrize("wish", WISHES, ids=list(WISHES))
def test_a_run_that_is_cleared_there_and_back_can_be_cleared_for_ever(
    database: Any, tmp_path: Path, wish: str
) -> None:
    blog, scheduler = Dated(tmp_path, eras=False), Scheduler()
    run_id = blog.run(DATES[3])
    if wish == "only failed":
        scheduler.executor.ends.update(publish="failed", load="failed")
    scheduler.settle()
    for build in THERE_AND_BACK:
        (cleared,) = asked.clear(blog.host, blog.dag_id, [run_id], build=build, **WISHES[wish])
        assert (cleared.changed, cleared.build) == (True, build)
        scheduler.settle()
        assert blog.came(run_id).present == TASKS[build]
    scheduler.executor.ends.clear()
    # As Airflow itself clears it, on what it is bound to.
    blog.clear(run_id)
    scheduler.settle()
    assert blog.is_right(run_id, 3), blog.came(run_id)
    of_3, of_1 = [3, 3, 3, 3], [1, 1]
    assert tries(blog) == {
        "start": [3, 3] if wish == "only failed" else [3, 1, 3, 1, 3, 3],
        **{"cloud": of_3, "publish": of_3, "onprem": of_1, "load": of_1},
    }


@pytest.mark.acceptance("dates", 24)
@pytest.mark.parametrize("by", ["scheduler", "keeper"])
def test_a_run_whose_era_changes_there_and_back_is_bound_and_cleared_for_ever(
    database: Any, tmp_path: Path, by: str
) -> None:
    """One task is cleared on latest each time, so that the run waits with the mark and the others ended."""
    blog, scheduler = Dated(tmp_path), Scheduler()
    keeping = Keeping(blog.host, lambda: 0.0)
    run_id = blog.run(DATES[2])
    scheduler.settle()
    with create_session() as session:
        first, second = blog.eras(session)
    whole = {"starts_at": None, "ends_at": None, "written_from": None, "written_until": None}
    eras = {1: [evolve(first, **whole)], 2: [evolve(second, **whole)], 3: []}
    for revision, build in enumerate((1, 2, 1, 2, 3, 1), start=2):
        blog.set_eras(eras[build], revision=revision)
        blog.clear(run_id, task_ids=["start"], run_on_latest_version=True)
        if by == "keeper":
            assert keeping.bind_ahead()
            assert blog.came(run_id).bundle_version == blog.versions[build]
        scheduler.settle()
        assert blog.is_right(run_id, build, relabelled=True), blog.came(run_id)
    blog.clear(run_id)
    scheduler.settle()
    assert blog.is_right(run_id, 1, relabelled=True), blog.came(run_id)
