"""Runs by the date of their data in a deployment that runs, with a scheduler that is killed meanwhile.

Proof is what Airflow's rows say of each run and its instances, and of those that execute Python the line that
their task printed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from attrs import field, frozen

from harness import blogs, bundles, months
from harness.airflow_env import SCHEDULER
from harness.gitrepo import GitRepo
from harness.months import Months
from harness.processes import TIMEOUT_FACTOR, wait_for
from harness.releases import Releases
from harness.soak import size

pytestmark = [pytest.mark.airflow, pytest.mark.postgres]

STOCK, OURS, CATCH_UP = "months_stock", "months_ours", "months_catch_up"


@frozen(kw_only=True)
class Deployment:
    env: Any
    repos: Mapping[str, GitRepo]
    commits: dict[str, str] = field(factory=dict)
    dates: dict[tuple[str, str], datetime] = field(factory=dict)
    """Of runs of the blog's Dags whose logical date is not that of their data, by Dag and run."""

    def blog(self) -> str:
        """The commit of the blog's Dags, which are known."""
        if "blog" not in self.commits:
            self.commits["blog"] = self.repos["blog"].commit(blogs.sources())
            Releases(self.env).wait_settled("blog", self.commits["blog"])
        return self.commits["blog"]


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
def test_each_month_runs_on_the_build_of_its_era_and_does_so_again(deployment: Deployment) -> None:
    env, ways = deployment.env, {STOCK: False, OURS: False, CATCH_UP: True}
    each = Months(env, Releases(env), "months", deployment.repos["months"], catchup=ways)
    each.post("/api/v2/backfills", dag_id=STOCK, **months.BACKFILL)
    each.post(f"/pinwheel/api/v1/dags/{OURS}/backfills", **months.BACKFILL)
    reply = env.api().patch(f"/api/v2/dags/{CATCH_UP}", json={"is_paused": False})
    assert not reply.is_error, reply.text
    each.wait_ended(each.total // 5)
    assert kill_the_scheduler(env, each)
    env.start(SCHEDULER)
    each.all_came_right(tries=1)

    each.clear_all(STOCK)
    while not kill_the_scheduler(env, each):
        # It was done with all of them before.
        env.start(SCHEDULER)
        each.clear_all(STOCK)
    each.clear_all(OURS)
    env.start(SCHEDULER)
    each.clear_all(CATCH_UP)
    each.all_came_right(tries=2)


def kill_the_scheduler(env: Any, each: Months) -> bool:
    """Whether runs were left when it was killed."""
    env.kill(SCHEDULER)
    return each.ended() < each.total


@pytest.mark.acceptance("dates", 2, 41)
def test_no_run_of_the_blogs_dag_has_a_task_outside_of_its_dates_whatever_made_it(
    deployment: Deployment,
) -> None:
    env = deployment.env
    deployment.blog()
    dates = deployment.dates
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
            months.post(env, "/api/v2/backfills", dag_id=dag_id, reprocess_behavior=again, **between)
        wait_for(lambda: left(env) == 0, 300, lambda: f"{left(env)} runs\n{env.tails()}", 0.5)
    in_place(deployment)
    for dag_id in blogs.SHAPES:
        made = env.rows("SELECT run_id FROM dag_run WHERE dag_id = :d", d=dag_id)
        # 15 by its schedule, 3 before its start, 2 after its end, 4 by hand.
        assert len(made) == 24, made

    of_the_blog = env.rows(
        "SELECT dag_id, run_id FROM dag_run WHERE dag_id LIKE 'blog%' ORDER BY run_id, dag_id"
    )
    for number, row in enumerate(of_the_blog[:: size(1, gate=3)]):
        path = f"/api/v2/dags/{row['dag_id']}/dagRuns/{row['run_id']}/clear"
        months.post(env, path, dry_run=False, run_on_latest_version=number % 2 == 0)
    wait_for(lambda: left(env) == 0, 300, lambda: f"{left(env)} runs\n{env.tails()}", 0.5)
    in_place(deployment)


@pytest.mark.acceptance("dates", 32)
def test_a_scheduler_without_the_plugin_executes_no_task_of_a_run_that_is_not_bound(
    deployment: Deployment, tmp_path: Path
) -> None:
    env, pinwheel = deployment.env, Releases(deployment.env)
    deployment.blog()
    wait_for(lambda: left(env) == 0, 300, lambda: f"{left(env)} runs\n{env.tails()}", 0.5)
    # As where it is not installed: Airflow logs that it can not be imported, and goes on without.
    lacks = "import sys\nsys.modules['pinwheel.airflow3.plugin'] = None\n"
    (tmp_path / "sitecustomize.py").write_text(lacks)
    env.stop(SCHEDULER)
    env.start(SCHEDULER, name="without-plugin", env={"PYTHONPATH": str(tmp_path)})
    date = datetime(2019, 12, 20, tzinfo=UTC)
    run_id = env.trigger(blogs.DESCRIBED, logical_date=date.isoformat())
    event = pinwheel.wait_event(blogs.DESCRIBED, "run_started_unbound")
    assert event["run_id"] == run_id
    started = datetime.fromisoformat(env.run(blogs.DESCRIBED, run_id)["start_date"])
    late = datetime.fromisoformat(event["at"]) - started
    assert late.total_seconds() < 5 * TIMEOUT_FACTOR
    env.wait_run(blogs.DESCRIBED, run_id, timeout=120)
    env.stop("without-plugin")
    env.start(SCHEDULER)
    in_place(deployment)
    # What it handed out unbound ended before any code of the Dag.
    printed = {
        path.parent.name: path.read_text().count("EXEC_MARK")
        for path in (env.logs / "tasks").glob(f"dag_id={blogs.DESCRIBED}/run_id={run_id}/task_id=*/*.log")
        if "EXEC_MARK" in path.read_text()
    }
    assert printed == {"task_id=task_1_2019": 1}


def left(env: Any) -> int:
    """Runs of the blog's Dags that are to end, and backfills that block the next one."""
    query = (
        "SELECT (SELECT count(*) FROM dag_run WHERE dag_id LIKE 'blog%' AND state IN ('queued', 'running'))"
        " + (SELECT count(*) FROM backfill WHERE dag_id LIKE 'blog%' AND completed_at IS NULL)"
    )
    return int(env.scalar(query))


def in_place(deployment: Deployment) -> None:
    """Each run of the blog's Dags ended well at the commit, with the tasks of its date and no other."""
    env, commit = deployment.env, deployment.blog()
    rows = env.rows(
        "SELECT r.dag_id, r.run_id, r.logical_date, r.state, r.bundle_version, i.task_id, i.try_number,"
        " i.state AS came FROM dag_run r JOIN task_instance i ON i.dag_id = r.dag_id AND i.run_id = r.run_id"
        f" WHERE r.dag_id LIKE 'blog%' AND i.state <> 'removed' AND {months.NEWEST_TRY}"
    )
    runs: dict[tuple[str, str], set[str]] = {}
    for row in rows:
        assert (row["state"], row["came"], row["bundle_version"]) == ("success", "success", commit), row
        runs.setdefault((row["dag_id"], row["run_id"]), set()).add(row["task_id"])
        if row["dag_id"] == blogs.DESCRIBED and row["task_id"].startswith("task_1"):
            marks = env.marks(row["dag_id"], row["run_id"], row["task_id"], row["try_number"])
            assert marks["EXEC_MARK"] == row["task_id"]
    at = {(row["dag_id"], row["run_id"]): row["logical_date"] for row in rows} | deployment.dates
    differing = {key: tasks ^ blogs.tasks_at(key[0], at[key]) for key, tasks in runs.items()}
    assert not {key: tasks for key, tasks in differing.items() if tasks}
