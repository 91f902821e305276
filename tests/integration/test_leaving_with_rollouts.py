"""Uninstalling while places are on their way: what runs goes on, on plain Airflow; what was held is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.eras import DATES, TASKS, Dated, source
from harness.ruled import CHECK, Ruled
from harness.scheduling import Scheduler
from harness.sides import RealSide
from pinwheel.services.upkeep import health, uninstall

pytestmark = pytest.mark.acceptance("rollouts", 76)


def test_what_runs_goes_on_and_what_was_held_is_named(airflow_database: Any, tmp_path: Path) -> None:
    blog = Dated(tmp_path, eras=False)
    Ruled(blog).policy(CHECK)  # type: ignore[arg-type, unused-ignore]
    blog.seeder.push({"blog.py": source("blog", 3, names=["start", "new"])})
    run_id = blog.run(DATES[3])
    plan = uninstall.plan(blog.host)
    left = uninstall.uninstall(blog.host)
    assert (
        (left.rolling, left.held, left.pinned) == (plan.rolling, plan.held, ()) == (("blog",), ("blog",), ())
    )
    assert health.missing_tables(blog.host)
    *_, (dag_id, _, details) = RealSide().audit("pinwheel_rollout")
    assert (dag_id, details["state"], details["build"]) == ("blog", "withdrawn", 4)
    Scheduler().settle()
    came = blog.came(run_id)
    assert (came.state, came.bundle_version, came.present) == ("success", blog.versions[3], TASKS[3])
