"""While nothing but broken commits is pushed, every scheduled run is made, runs and finishes.

On stock Airflow one failed parse takes a scheduled Dag off the air, and its running runs freeze until a fix
is parsed. This is an hour of broken commits, scaled down.
"""

from __future__ import annotations

import itertools
import time
from datetime import datetime
from typing import Any

import pytest

from harness import dags
from harness.processes import wait_for
from harness.releases import Releases, unique
from harness.shared import SharedAirflow

pytestmark = [pytest.mark.airflow, pytest.mark.postgres]

EVERY = 8
"""Seconds between scheduled runs of each of the two Dags."""
SECONDS = 24


def test_only_a_release_changes_what_runs__no_run_is_missed_or_frozen_while_broken_commits_are_pushed(
    shared_airflow: SharedAirflow,
) -> None:
    airflow, pinwheel, slot = shared_airflow, Releases(shared_airflow), shared_airflow.take_git()
    pinned, free = unique("steady_pinned"), unique("steady_free")
    both = (pinned, free)
    chain = {"tasks": ("a", "b"), "schedule": f"timedelta(seconds={EVERY})"}
    files = {d: dags.dag_with_helper(d, "m1", module="steady_helper", **chain) for d in both}
    good: dict[str, Any] = {**files[pinned], **files[free]}
    sha = slot.repo.commit(good, message="A good commit")
    pinwheel.wait_settled(slot.name, sha)
    pinwheel.pin(pinned)
    wait_for(lambda: all(scheduled(airflow, d) for d in both), 60, "the first scheduled runs")
    began = time.time()

    emptied: dict[str, Any] = {name: None for name in good}
    broken_dags = {name: text for d in both for name, text in dags.broken(f"{d}.py").items()}
    # Airflow takes a file for one of Dags only if it holds both words.
    raising = "from airflow.sdk import DAG\nraise RuntimeError('not today')\n"
    breakages: list[dict[str, Any]] = [
        broken_dags,
        {**good, "steady_helper.py": "def ("},
        {**good, **{f"{d}.py": raising for d in both}},
        {**good, "steady_helper.py": "import module_that_nobody_has"},
        {**good, **{f"{d}.py": files[d][f"{d}.py"].replace("schedule=", "shcedule=") for d in both}},
    ]
    pushed = []
    triggered = []
    for breakage in itertools.cycle(breakages):
        pushed.append(slot.repo.commit(breakage, message=f"Break it, part {len(pushed) + 1}"))
        pinwheel.wait_settled(slot.name, pushed[-1])
        if len(triggered) < len(breakages):
            # The trigger works, with every kind of breakage.
            triggered += [(d, airflow.trigger(d)) for d in both[len(pushed) % 2 :][:1]]
        errors = airflow.get("/api/v2/importErrors", limit=1000)["import_errors"]
        shown = {error["filename"] for error in errors if error["bundle_name"] == slot.name}
        assert shown == {f"{d}.py" for d in both}
        for dag_id in both:
            assert pinwheel.status(dag_id)["broken"]["bundle_version"] == pushed[-1]
            assert not airflow.get(f"/api/v2/dags/{dag_id}")["is_stale"]
        if time.time() > began + SECONDS and len(pushed) >= len(breakages):
            break
        time.sleep(2)
    ended = time.time()

    # Still broken. No frozen run: all that were made in this time end by themselves, well.
    for dag_id in both:
        for run in scheduled(airflow, dag_id):
            if instant(run["run_after"]) < ended:
                airflow.wait_run(dag_id, run["dag_run_id"], timeout=60)
    for dag_id, run_id in triggered:
        airflow.wait_run(dag_id, run_id)
        assert airflow.marks(dag_id, run_id, "b")["EXEC_MARK"] == "m1"
    # No missed run: one at each instant of the schedule.
    for dag_id in both:
        times = [instant(run["run_after"]) for run in scheduled(airflow, dag_id)]
        assert {round(later - earlier, 3) for earlier, later in itertools.pairwise(times)} == {EVERY}
        assert times[-1] > ended - 2 * EVERY
        assert len([at for at in times if began < at < ended]) >= SECONDS // EVERY - 1
        assert [release["release"] for release in pinwheel.releases(dag_id)] == [1]
        broken = [row["bundle_version"] for row in pinwheel.builds(dag_id) if row["status"] == "broken"]
        assert broken == pushed[::-1]

    # Emptied, the repository takes away what follows it, and only that.
    sha = slot.repo.commit(emptied, message="Delete everything")
    pinwheel.wait_settled(slot.name, sha)
    assert pinwheel.status(free)["retired"] and not pinwheel.status(pinned)["retired"]
    errors = airflow.get("/api/v2/importErrors", limit=1000)["import_errors"]
    assert [error for error in errors if error["bundle_name"] == slot.name] == []
    known = len(scheduled(airflow, pinned))
    wait_for(lambda: len(scheduled(airflow, pinned)) > known, 60, "the next scheduled run of the pinned Dag")

    fixed = slot.repo.commit(good, message="Mend it")
    pinwheel.wait_settled(slot.name, fixed)
    assert pinwheel.status(free)["broken"] is None
    wait_for(lambda: not airflow.get(f"/api/v2/dags/{free}")["is_stale"], 30, "the unpinned Dag to be back")
    for dag_id in both:
        airflow.api().patch(f"/api/v2/dags/{dag_id}", json={"is_paused": True}).raise_for_status()


def scheduled(airflow: SharedAirflow, dag_id: str) -> list[dict[str, Any]]:
    return [run for run in airflow.runs(dag_id) if run["run_type"] == "scheduled"]


def instant(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
