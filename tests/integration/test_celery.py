"""CeleryExecutor, and workers that share no disk with the processor or with one another."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from attrs import frozen

from harness import bundles, dags
from harness.gitrepo import GitRepo
from harness.months import BACKFILL, Months
from harness.processes import wait_for
from harness.releases import Releases

pytestmark = [
    pytest.mark.full,
    pytest.mark.airflow,
    pytest.mark.celery,
    pytest.mark.postgres,
    pytest.mark.slow,
]

WORKERS = ("worker-1", "worker-2")


@frozen(kw_only=True)
class Far:
    """A deployment with two workers, and what its bundles are of; ``far`` is mirrored in ``keeper``."""

    env: Any
    git_repo: GitRepo
    keeper: GitRepo
    months: GitRepo


@pytest.fixture(scope="module")
def far(make_airflow: Callable[..., Any], redis_server: Any, tmp_path_factory: pytest.TempPathFactory) -> Far:
    pytest.importorskip("airflow.providers.celery")
    root = tmp_path_factory.mktemp("far")
    git_repo, keeper, of_months = (GitRepo(root / name) for name in ("repo", "keeper", "months"))
    git_repo.commit({"README": "base"})
    entries = [bundles.git("git", git_repo.url, mirror_url=keeper.url), bundles.git("months", of_months.url)]
    env = make_airflow(bundles=entries, executor="CeleryExecutor", broker_url=redis_server.url).start()
    for worker in WORKERS:
        env.start_worker(worker)
    return Far(env=env, git_repo=git_repo, keeper=keeper, months=of_months)


@pytest.mark.acceptance("dates", 40)
def test_each_month_runs_on_the_build_of_its_era_on_workers_too(far: Far) -> None:
    each = Months(far.env, Releases(far.env), "months", far.months, catchup={"months_far": False})
    each.post("/api/v2/backfills", dag_id="months_far", **BACKFILL)
    each.all_came_right(tries=1)
    each.clear_all("months_far")
    each.all_came_right(tries=2)


def test_a_released_commit_that_its_server_lost_still_runs_on_every_worker(far: Far) -> None:
    env, git_repo, keeper, pinwheel = far.env, far.git_repo, far.keeper, Releases(far.env)
    first = git_repo.commit(dags.dag_with_helper("far", "m1", "h1"))
    pinwheel.wait_settled("git", first)
    run = env.trigger_and_wait("far")["dag_run_id"]
    assert _ran(env, run)["EXEC_MARK"] == "m1"
    assert _ran(env, run)["EXEC_HELPER"] == "h1"
    release = pinwheel.pin("far")["release"]

    # The released commit must have reached the mirror before its server forgets it.
    wait_for(lambda: first in keeper._git("for-each-ref", cwd=keeper.bare), 60, "the commit to be kept")
    replaced = git_repo.force_push({"README": "another history"})
    git_repo.prune()
    with pytest.raises(RuntimeError):
        git_repo._git("cat-file", "-e", first, cwd=git_repo.bare)
    pinwheel.wait_settled("git", replaced)
    status = pinwheel.status("far")
    assert (status["active_release"], status["retired"]) == (release, False)

    # At most one worker has the version on its disk; enough runs go to both.
    ran_on = set()
    for _ in range(8):
        batch = [env.trigger("far") for _ in range(4)]
        for each in batch:
            env.wait_run("far", each)
            marks = _ran(env, each)
            assert (marks["EXEC_MARK"], marks["EXEC_HELPER"]) == ("m1", "h1")
            ran_on.add(next(name for name in WORKERS if f"/{name}/" in marks["EXEC_FILE"]))
        if ran_on == set(WORKERS):
            break
    assert ran_on == set(WORKERS)

    env.clear("far", run)
    env.wait_run("far", run)
    assert _ran(env, run, 2)["EXEC_MARK"] == "m1"
    assert {row["release"] for row in pinwheel.tries("far", run)} == {release}


def _ran(env: Any, run_id: str, try_number: int = 1) -> dict[str, str]:
    return dict(env.marks("far", run_id, "t", try_number))
