"""96 months over three eras in a deployment that runs: each on its build, commit and graph, whatever made it.

The scheduler is killed while they run. Proof is what Airflow's rows say of each run and its instances, and of
those that execute Python the line that their task printed.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from harness import bundles, months
from harness.airflow_env import SCHEDULER
from harness.gitrepo import GitRepo
from harness.processes import wait_for
from harness.releases import Releases

pytestmark = [
    pytest.mark.airflow,
    pytest.mark.postgres,
    pytest.mark.slow,
    pytest.mark.acceptance("dates", 39),
]

STOCK, OURS, CATCH_UP = "months_stock", "months_ours", "months_catch_up"
WAYS = (STOCK, OURS, CATCH_UP)
BACKFILL = {
    "from_date": "2018-11-01T00:00:00Z",
    "to_date": "2026-10-01T00:00:00Z",
    "max_active_runs": 48,
}


def test_each_of_96_months_runs_on_the_build_of_its_era_and_does_so_again(
    make_airflow: Callable[..., Any], tmp_path: Path
) -> None:
    repo = GitRepo(tmp_path / "repo")
    env = make_airflow(
        bundles=[bundles.git("months", repo.url)],
        config={
            "scheduler.max_dagruns_to_create_per_loop": 48,
            # Tasks die with a scheduler that is killed
            "scheduler.task_instance_heartbeat_timeout": 20,
            "scheduler.task_instance_heartbeat_timeout_detection_interval": 3,
            "scheduler.orphaned_tasks_check_interval": 10,
        },
    ).start()
    pinwheel = Releases(env)
    commits = {}
    for build in (1, 2, 3, months.ACTIVE):
        files: dict[str, str] = {}
        for dag_id in WAYS:
            files |= months.source(dag_id, build, catchup=dag_id == CATCH_UP)
        commits[build] = repo.commit(files)
        pinwheel.wait_settled("months", commits[build])
    for dag_id in WAYS:
        eras = [{"from": a, "until": b, "build": build} for build, (a, b) in months.ERAS.items()]
        reply = env.api().put(
            f"/pinwheel/api/v1/dags/{dag_id}/timeline", json={"verb": "set", "eras": eras}, timeout=300
        )
        assert not reply.is_error, reply.text

    post(env, "/api/v2/backfills", dag_id=STOCK, **BACKFILL)
    post(env, f"/pinwheel/api/v1/dags/{OURS}/backfills", **BACKFILL)
    reply = env.api().patch(f"/api/v2/dags/{CATCH_UP}", json={"is_paused": False})
    assert not reply.is_error, reply.text
    wait_for(lambda: ended(env) >= 60, 240, lambda: f"{ended(env)} runs ended\n{env.tails()}", 0.5)
    kill_the_scheduler(env)
    env.start(SCHEDULER)
    all_came_as(env, commits, tries=1)

    clear_all(env, STOCK)
    kill_the_scheduler(env)
    clear_all(env, OURS)
    env.start(SCHEDULER)
    clear_all(env, CATCH_UP)
    all_came_as(env, commits, tries=2)


def post(env: Any, path: str, **body: Any) -> None:
    reply = env.api().post(path, json=body, timeout=300)
    assert not reply.is_error, f"{path}: {reply.status_code} {reply.text[:2000]}"


def ended(env: Any) -> int:
    return int(env.scalar("SELECT count(*) FROM dag_run WHERE state IN ('success', 'failed')"))


def clear_all(env: Any, dag_id: str) -> None:
    """As Airflow's page of a run does it, with its latest version."""
    for row in env.rows("SELECT run_id FROM dag_run WHERE dag_id = :d ORDER BY logical_date", d=dag_id):
        path = f"/api/v2/dags/{dag_id}/dagRuns/{row['run_id']}/clear"
        post(env, path, dry_run=False, run_on_latest_version=True)


def kill_the_scheduler(env: Any) -> None:
    env.kill(SCHEDULER)
    assert ended(env) < 96 * len(WAYS), "it was killed while runs were left"


def all_came_as(env: Any, commits: dict[int, str], *, tries: int) -> None:
    total = 96 * len(WAYS)
    wait_for(lambda: ended(env) == total, 600, lambda: f"{ended(env)} of {total} ended\n{env.tails()}", 0.5)
    wrong: dict[tuple[str, datetime], Any] = {}
    for dag_id in WAYS:
        came = months.came_of(env, dag_id)
        assert sorted(came) == months.MONTHS
        for date, ran in came.items():
            if ran != (right := months.expected(date, commits)):
                wrong[dag_id, date] = (ran, right)
    assert not wrong, f"{len(wrong)} of {total}: {list(wrong.items())[:4]}"
    printed = 0
    for dag_id in WAYS:
        query = (
            "SELECT r.run_id, r.logical_date, i.try_number FROM dag_run r JOIN task_instance i"
            " ON i.dag_id = r.dag_id AND i.run_id = r.run_id WHERE r.dag_id = :d AND i.task_id = 'show'"
        )
        for row in env.rows(query, d=dag_id):
            assert row["try_number"] >= tries
            marks = env.marks(dag_id, row["run_id"], "show", row["try_number"])
            assert marks["EXEC_MARK"] == f"m{months.build_of(row['logical_date'])}"
            printed += 1
    assert printed == 9 * len(WAYS)
