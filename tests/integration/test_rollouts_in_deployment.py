"""Places that roll out in a deployment that runs: the proof is which commit each run's tasks executed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from harness import bundles, dags
from harness.gitrepo import GitRepo
from harness.processes import TIMEOUT_FACTOR, wait_for
from harness.releases import Releases

pytestmark = [pytest.mark.airflow, pytest.mark.postgres]

DAG = "each_second"


def sources(mark: str) -> dict[str, str]:
    return dags.dag(DAG, mark, schedule="timedelta(seconds=1)", dag_args="max_active_runs=1")


@pytest.mark.acceptance("rollouts", 35)
def test_after_an_instant_that_was_asked_for_the_next_run_by_schedule_is_on_the_new_place(
    make_airflow: Callable[..., Any], tmp_path: Path
) -> None:
    repo = GitRepo(tmp_path / "repo")
    env = make_airflow(bundles=[bundles.git("main", repo.url)]).start()
    pinwheel = Releases(env)
    old = repo.commit(sources("old"))
    pinwheel.wait_settled("main", old)
    pinwheel.pin(DAG)
    new = repo.commit(sources("new"))
    pinwheel.wait_settled("main", new)
    reply = env.api().patch(f"/api/v2/dags/{DAG}", json={"is_paused": False})
    assert not reply.is_error, reply.text
    at = datetime.now(tz=UTC) + timedelta(seconds=10 * TIMEOUT_FACTOR)
    assert pinwheel.promote(DAG, at=at.isoformat())["changed"]
    assert pinwheel.status(DAG)["active_build"] == 1

    def runs() -> list[dict[str, Any]]:
        query = (
            "SELECT run_id, run_type, queued_at, start_date, bundle_version, state FROM dag_run "
            "WHERE dag_id = :d ORDER BY run_after"
        )
        return list(env.rows(query, d=DAG))

    def on(version: str) -> list[dict[str, Any]]:
        return [run for run in runs() if run["bundle_version"] == version and run["state"] == "success"]

    wait_for(lambda: len(on(new)) >= 2, 90, lambda: f"runs on {new}: {runs()}\n{env.tails()}")
    seen = runs()
    versions = [run["bundle_version"] for run in seen]
    assert set(versions) == {old, new} and versions == sorted(versions, key=[old, new].index)
    assert {run["run_type"] for run in seen} == {"scheduled"}
    assert env.marks(DAG, on(old)[-1]["run_id"], "t")["EXEC_MARK"] == "old"
    assert env.marks(DAG, on(new)[0]["run_id"], "t")["EXEC_MARK"] == "new"

    # The receipt: for when it was asked, and when it was done, both in the transaction of the release.
    told = env.get(f"/pinwheel/api/v1/dags/{DAG}/rollout")
    released = datetime.fromisoformat(told["released_at"])
    assert (told["state"], datetime.fromisoformat(told["not_before"])) == ("released", at)
    assert released >= at
    active = pinwheel.releases(DAG)[0]
    assert (active["bundle_version"], datetime.fromisoformat(active["created_at"])) == (new, released)
    assert all(run["queued_at"] >= at for run in seen if run["bundle_version"] == new)
