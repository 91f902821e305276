"""Runs by the date of their data in a deployment that runs, with a scheduler that is killed meanwhile.

Proof is what Airflow's rows say of each run and its instances, and of those that execute Python the line that
their task printed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from attrs import frozen

from harness import blogs, bundles, months
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


@frozen(kw_only=True)
class Deployment:
    env: Any
    repos: Mapping[str, GitRepo]


@pytest.fixture(scope="module")
def deployment(make_airflow: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    root = tmp_path_factory.mktemp("dates")
    repos = {name: GitRepo(root / name) for name in ("months", "blog")}
    env = make_airflow(
        bundles=[bundles.git(name, repo.url) for name, repo in repos.items()],
        config={
            "scheduler.max_dagruns_to_create_per_loop": 48,
            # Tasks die with a scheduler that is killed
            "scheduler.task_instance_heartbeat_timeout": 20,
            "scheduler.task_instance_heartbeat_timeout_detection_interval": 3,
            "scheduler.orphaned_tasks_check_interval": 10,
        },
    ).start()
    return Deployment(env=env, repos=repos)


@pytest.mark.acceptance("dates", 39)
def test_each_of_96_months_runs_on_the_build_of_its_era_and_does_so_again(deployment: Deployment) -> None:
    env, repo = deployment.env, deployment.repos["months"]
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


@pytest.mark.acceptance("dates", 2, 41)
def test_no_run_of_the_blogs_dag_has_a_task_outside_of_its_dates_whatever_made_it(
    deployment: Deployment,
) -> None:
    env, pinwheel = deployment.env, Releases(deployment.env)
    commit = deployment.repos["blog"].commit(blogs.sources())
    pinwheel.wait_settled("blog", commit)
    dates: dict[tuple[str, str], datetime] = {}
    for date in (blogs.MONTHS[1], blogs.MONTHS[3]):
        env.trigger_and_wait("feeds", logical_date=date.isoformat())
        seen = {run_id for _, run_id in dates}

        def of_the_event(seen: set[str] = seen) -> list[str]:
            return [run["dag_run_id"] for run in env.runs(blogs.FED) if run["dag_run_id"] not in seen]

        (run_id,) = wait_for(of_the_event, 60, "the run of the asset's event")
        dates[blogs.FED, run_id] = date
    for dag_id in blogs.SHAPES:
        for date in blogs.BY_HAND:
            dates[dag_id, env.trigger(dag_id, logical_date=date.isoformat())] = date
        dates[dag_id, env.trigger(dag_id)] = datetime.now(tz=UTC)
    wait_for(lambda: left(env) == 0, 300, lambda: f"{left(env)} runs\n{env.tails()}", 0.5)
    for first, last, again in blogs.BACKFILLS:
        for dag_id in blogs.SHAPES:
            between = {"from_date": f"{first}T00:00:00Z", "to_date": f"{last}T00:00:00Z"}
            post(env, "/api/v2/backfills", dag_id=dag_id, reprocess_behavior=again, **between)
        wait_for(lambda: left(env) == 0, 300, lambda: f"{left(env)} runs\n{env.tails()}", 0.5)
    in_place(env, commit, dates)

    for number, row in enumerate(env.rows("SELECT dag_id, run_id FROM dag_run WHERE dag_id LIKE 'blog%'")):
        path = f"/api/v2/dags/{row['dag_id']}/dagRuns/{row['run_id']}/clear"
        post(env, path, dry_run=False, run_on_latest_version=number % 2 == 0)
    wait_for(lambda: left(env) == 0, 300, lambda: f"{left(env)} runs\n{env.tails()}", 0.5)
    in_place(env, commit, dates)


def left(env: Any) -> int:
    """Runs of the blog's Dags that are to end, and backfills that block the next one."""
    query = (
        "SELECT (SELECT count(*) FROM dag_run WHERE dag_id LIKE 'blog%' AND state IN ('queued', 'running'))"
        " + (SELECT count(*) FROM backfill WHERE dag_id LIKE 'blog%' AND completed_at IS NULL)"
    )
    return int(env.scalar(query))


def in_place(env: Any, commit: str, dates: Mapping[tuple[str, str], datetime]) -> None:
    """Each run of the blog's Dags ended well at the commit, with the tasks of its date and no other."""
    rows = env.rows(
        "SELECT r.dag_id, r.run_id, r.logical_date, r.state, r.bundle_version, i.task_id, i.try_number,"
        " i.state AS came FROM dag_run r JOIN task_instance i ON i.dag_id = r.dag_id AND i.run_id = r.run_id"
        " WHERE r.dag_id LIKE 'blog%' AND i.state <> 'removed'"
    )
    runs: dict[tuple[str, str], set[str]] = {}
    for row in rows:
        assert (row["state"], row["came"], row["bundle_version"]) == ("success", "success", commit), row
        runs.setdefault((row["dag_id"], row["run_id"]), set()).add(row["task_id"])
        if row["dag_id"] == blogs.DESCRIBED and row["task_id"].startswith("task_1"):
            marks = env.marks(row["dag_id"], row["run_id"], row["task_id"], row["try_number"])
            assert marks["EXEC_MARK"] == row["task_id"]
    at = {(row["dag_id"], row["run_id"]): row["logical_date"] for row in rows} | dict(dates)
    differing = {key: tasks ^ blogs.tasks_at(key[0], at[key]) for key, tasks in runs.items()}
    assert not {key: tasks for key, tasks in differing.items() if tasks}
    for dag_id in blogs.SHAPES:
        made = sorted(run for of, run in runs if of == dag_id)
        # 15 by its schedule, 3 before its start, 2 after its end, 4 by hand.
        assert len(made) == 24, made


def post(env: Any, path: str, **body: Any) -> None:
    reply = env.api().post(path, json=body, timeout=300)
    assert not reply.is_error, f"{path}: {reply.status_code} {reply.text[:2000]}"


def ended(env: Any) -> int:
    """How many of the runs of months are."""
    query = "SELECT count(*) FROM dag_run WHERE state IN ('success', 'failed') AND dag_id LIKE 'months%'"
    return int(env.scalar(query))


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
