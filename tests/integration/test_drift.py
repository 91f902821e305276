"""Whatever bypasses Pinwheel is noticed within seconds, repaired, and recorded as an event that names it.

Each test lets another writer change Airflow's rows of held Dags, in a deployment that runs. All that others
may write is in ``test_bypassed.py``.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from harness import bundles, dags
from harness.airflow_env import DAG_PROCESSOR, AirflowEnv
from harness.gitrepo import GitRepo
from harness.inprocess import bound_airflow, db_clean
from harness.processes import wait_for
from harness.releases import Releases

pytestmark = [pytest.mark.airflow, pytest.mark.postgres]

NOTICED = 15.0
"""Seconds in which drift must be repaired: the check runs every 3 s, the rest is for a busy machine."""

BODY, STRUCTURE, FRESH = "drift_body", "drift_structure", "drift_fresh"
HELD = (BODY, STRUCTURE, FRESH)


@pytest.fixture(scope="module")
def held(make_airflow: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Three Dags pinned on build 1 while the branch holds build 2: of a body-only change and of a structural
    one with runs on build 1 (what stock Airflow rewrites in place), and one that never ran.
    """
    repo = GitRepo(tmp_path_factory.mktemp("drift") / "repo")
    env: AirflowEnv = make_airflow(bundles=[bundles.git("drift", repo.url)])
    pinwheel = Releases(env)
    first = repo.commit({name: text for d in HELD for name, text in dags.dag(d, "m1").items()})
    env.start()
    pinwheel.wait_settled("drift", first)
    # With a date: `airflow tasks test` deletes another run that has none (it takes it for its own, 3.3, 3.4).
    date = {"logical_date": "2025-01-01T00:00:00Z"}
    runs = {d: env.trigger_and_wait(d, **date)["dag_run_id"] for d in (BODY, STRUCTURE)}
    pinwheel.batch("pin", list(HELD))
    second = repo.commit(
        {
            **dags.dag(BODY, "m2"),
            **dags.dag(STRUCTURE, "m2", tasks=("t", "u"), schedule="'@hourly'"),
            **dags.dag(FRESH, "m2"),
        }
    )
    pinwheel.wait_settled("drift", second)
    yield SimpleNamespace(
        env=env,
        pinwheel=pinwheel,
        repo=repo,
        first=first,
        runs=runs,
        content={d: content(env, d) for d in HELD},
    )


def content(env: AirflowEnv, dag_id: str) -> dict[str, Any]:
    """What Airflow's rows say of a Dag, but for ids, numbers and times."""
    (row,) = env.rows(
        "SELECT d.bundle_name, d.bundle_version, d.relative_fileloc, d.fileloc, d.is_stale, d.is_paused,"
        " d.has_import_errors, d.timetable_summary, d.owners, d.max_active_runs, v.bundle_version AS version,"
        " s.dag_hash, c.source_code FROM dag d JOIN dag_version v ON v.dag_id = d.dag_id"
        " AND v.version_number = (SELECT max(version_number) FROM dag_version w WHERE w.dag_id = d.dag_id)"
        " JOIN serialized_dag s ON s.dag_version_id = v.id JOIN dag_code c ON c.dag_version_id = v.id"
        " WHERE d.dag_id = :d",
        d=dag_id,
    )
    return row


def repaired(held: Any, *dag_ids: str) -> None:
    """Wait until the rows of these Dags are as they were held, then see that they stay so."""

    def as_held() -> bool:
        try:
            return all(content(held.env, d) == held.content[d] for d in dag_ids)
        except ValueError:
            return False

    wait_for(as_held, NOTICED, lambda: f"{[content(held.env, d) for d in dag_ids]} to be {held.content}")
    for dag_id in dag_ids:
        held.pinwheel.check_active_is_latest(dag_id)
        assert held.pinwheel.status(dag_id)["track"] == "pinned"


def runs_as_held(held: Any, dag_id: str) -> None:
    run = held.env.trigger_and_wait(dag_id)["dag_run_id"]
    assert [t["task_id"] for t in held.env.tasks(dag_id, run)] == ["t"]
    assert held.env.marks(dag_id, run, "t")["EXEC_MARK"] == "m1"
    (tried,) = held.pinwheel.tries(dag_id, run)
    assert tried["build"] == 1


def history_is_kept(held: Any) -> None:
    for dag_id, run in held.runs.items():
        (version,) = held.env.run(dag_id, run)["dag_versions"]
        assert version["bundle_version"] == held.first
        source = held.env.get(f"/api/v2/dagSources/{dag_id}", version_number=version["version_number"])
        assert "CODE_MARK: m1" in source["content"]


def test_only_a_release_changes_what_runs__what_airflows_commands_write_is_undone(held: Any) -> None:
    after = held.pinwheel.last_event_id()
    held.env.cli("airflow", "tasks", "test", STRUCTURE, "t", check=True)
    for dag_id in HELD:
        event = held.pinwheel.wait_event(dag_id, "drift", after)
        # Airflow 3.3 writes over the versions that there are, 3.4 may add one; this row both change.
        assert "dag.bundle_version" in event["found"], event
    repaired(held, *HELD)
    history_is_kept(held)
    runs_as_held(held, BODY)


def test_only_a_release_changes_what_runs__a_stock_processor_left_running_changes_nothing_for_long(
    held: Any,
) -> None:
    after = held.pinwheel.last_event_id()
    held.env.start_stock_processor()
    try:
        for dag_id in HELD:
            held.pinwheel.wait_event(dag_id, "drift", after, timeout=60)
        time.sleep(5)
    finally:
        held.env.stop("stock-dag-processor")
    repaired(held, *HELD)
    history_is_kept(held)
    runs_as_held(held, STRUCTURE)


def test_only_a_release_changes_what_runs__a_deleted_dag_row_comes_back(held: Any) -> None:
    after = held.pinwheel.last_event_id()
    releases = held.pinwheel.releases(FRESH)
    held.env.api().delete(f"/api/v2/dags/{FRESH}").raise_for_status()
    event = held.pinwheel.wait_event(FRESH, "drift", after)
    assert event["reason"] == "the dag row was deleted"
    repaired(held, FRESH)
    assert held.pinwheel.releases(FRESH) == releases
    runs_as_held(held, FRESH)


def test_what_is_released_can_be_fetched__after_db_clean(held: Any) -> None:
    dag_id = "drift_cleaned"
    shas = []
    for mark in ("m1", "m2", "m3"):
        shas.append(held.repo.commit(dags.dag(dag_id, mark)))
        held.pinwheel.wait_settled("drift", shas[-1])
    held.pinwheel.pin(dag_id)
    tried = held.repo.commit(dags.dag(dag_id, "m4"))
    held.pinwheel.wait_settled("drift", tried)
    run = held.pinwheel.trigger(dag_id, build=4)["run_id"]
    held.env.wait_run(dag_id, run)
    numbers = "SELECT version_number FROM dag_version WHERE dag_id = :d ORDER BY 1"
    assert [row["version_number"] for row in held.env.rows(numbers, d=dag_id)] == [-4, 1, 2, 3]

    with bound_airflow(held.env.database):
        db_clean("dag_version")
    # Airflow cleans the old task instances first, so only the active version is left.
    assert [row["version_number"] for row in held.env.rows(numbers, d=dag_id)] == [3]
    held.pinwheel.check_active_is_latest(dag_id)
    assert held.pinwheel.rollback(dag_id, to_release=1)["release"] == 4
    run = held.env.trigger_and_wait(dag_id)["dag_run_id"]
    assert held.env.marks(dag_id, run, "t")["EXEC_MARK"] == "m1"
    run = held.pinwheel.trigger(dag_id, build=4)["run_id"]
    held.env.wait_run(dag_id, run)
    assert held.env.marks(dag_id, run, "t")["EXEC_MARK"] == "m4"
    held.pinwheel.check_active_is_latest(dag_id)


def test_two_processors_at_once_make_each_build_once(held: Any) -> None:
    dag_id, other = "drift_twice", "drift_twice_more"
    held.env.start(DAG_PROCESSOR, name="dag-processor-2")
    try:
        for number in range(1, 5):
            files = {**dags.dag_with_helper(dag_id, f"m{number}"), **dags.dag(other, f"m{number}")}
            sha = held.repo.commit(files)
            if number % 2 == 0:
                held.pinwheel.wait_settled("drift", sha)
        # Not the build with the highest number: the processor that was late may have made one of commit 3.
        held.pinwheel.wait_status(
            dag_id, lambda s: s["bundle_version"] == sha and s["active_build"] == s["newest_build"]
        )
        time.sleep(3)
    finally:
        held.env.stop("dag-processor-2")
    for each in (dag_id, other):
        builds = held.pinwheel.builds(each)
        assert len({row["digest"] for row in builds}) == len(builds) >= 2
        assert [row["build"] for row in builds] == list(range(len(builds), 0, -1))
        # A commit that another one overtook may be a build only, or not even that; none is released twice.
        released = [row["build"] for row in held.pinwheel.releases(each)]
        assert len(set(released)) == len(released) >= 2
        assert {row["kind"] for row in held.pinwheel.releases(each)} == {"auto"}
        held.pinwheel.check_active_is_latest(each)
        run = held.env.trigger_and_wait(each)["dag_run_id"]
        assert held.env.marks(each, run, "t")["EXEC_MARK"] == "m4"
    repaired(held, *HELD)


def test_airflow_outlives_pinwheel__held_dags_run_while_no_processor_does(held: Any) -> None:
    held.env.kill(DAG_PROCESSOR, signal.SIGKILL)
    try:
        runs_as_held(held, STRUCTURE)
        # Also a release needs no processor.
        outcome = held.pinwheel.promote(STRUCTURE)
        run = held.env.trigger_and_wait(STRUCTURE)["dag_run_id"]
        assert held.env.marks(STRUCTURE, run, "u")["EXEC_MARK"] == "m2"
        held.pinwheel.rollback(STRUCTURE, expected_release=outcome["release"])
        runs_as_held(held, STRUCTURE)
    finally:
        held.env.start(DAG_PROCESSOR)
    repaired(held, *HELD)


def test_nothing_of_the_processor_failed(held: Any) -> None:
    log = Path(held.env.logs / "dag-processor.log").read_text()
    assert "A check of Pinwheel failed" not in log
    assert "Failed to register the parse" not in log
