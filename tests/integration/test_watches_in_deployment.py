"""Watches of releases in a deployment that runs, and rollbacks that happen by themselves.

The proof is which commit the next run's tasks executed, what it is bound to, and what the ledger says. From
the push of the bad build on no Dag processor runs: nothing of what follows waits for a parse.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from attrs import define, field

from harness import bundles, dags
from harness.airflow_env import BIN, DAG_PROCESSOR, SCHEDULER
from harness.gitrepo import GitRepo
from harness.processes import wait_for
from harness.releases import Releases

pytestmark = [pytest.mark.airflow, pytest.mark.postgres]

ORDERS, CLEARED, LATE, MARKED, LOST, FILLED, QUIET = (
    f"watched_{name}" for name in ("orders", "cleared", "late", "marked", "lost", "filled", "quiet")
)
RACERS = tuple(f"watched_race{n}" for n in range(4))
ALL = (ORDERS, CLEARED, LATE, MARKED, LOST, FILLED, QUIET, *RACERS)
PROVEN = (ORDERS, CLEARED, QUIET, *RACERS)
POLICIES = f"""
policies:
  - name: worse
    dags: {{ids: [{ORDERS}]}}
    steps: [release, {{soak: {{}}}}]
    rollback: {{rerun_failed: true}}
  - name: strict
    dags: {{globs: ["watched_*"]}}
    steps: [release, {{soak: {{}}}}]
    rollback: {{when: first-failure}}
"""
KILLED_AFTER = 2.0
"""Seconds from a keeper's start: sometimes before its first turn, sometimes in one."""
FAILS = "raise RuntimeError('meant to fail')"
FAILS_AT_FIRST = "if context['ti'].try_number == 1:\n    raise RuntimeError('meant to fail')"
WAITS_AND_FAILS = """
import pathlib, time
while not pathlib.Path({gate!r}).exists():
    time.sleep(0.2)
raise RuntimeError('meant to fail')
"""
LOSES_ITS_WORKER = "import os\nos.kill(os.getppid(), 9)\nos._exit(1)"
DROPS = """
CREATE FUNCTION drop_signal() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER drop_signal BEFORE INSERT ON pinwheel_signal FOR EACH ROW EXECUTE FUNCTION drop_signal()
"""


def plain(*dag_ids: str) -> dict[str, str]:
    """Dags of which no worker executes anything."""
    lines = ["from datetime import datetime", "from airflow.sdk import DAG"]
    lines.append("from airflow.providers.standard.operators.empty import EmptyOperator")
    for dag_id in sorted(dag_ids):
        lines.append(f"with DAG({dag_id!r}, schedule=None, start_date=datetime(2024, 1, 1)):")
        lines.append("    EmptyOperator(task_id='t')")
    return {"plain.py": "\n".join(lines) + "\n"}


@define
class Story:
    """Dags whose first build is proven or runs on, and whose second one is released, watched and bad."""

    env: Any
    repo: GitRepo
    gate: Path
    """As long as it is not there, tasks that wait for it run."""
    good: str = ""
    bad: str = ""
    failed: dict[str, list[str]] = field(factory=dict)
    """By Dag: its runs that were made to fail, in the order in which they were made."""

    @property
    def pinwheel(self) -> Releases:
        return Releases(self.env)

    def push(self, mark: str, bodies: Mapping[str, str], *more: str) -> str:
        files = plain(*more)
        for dag_id, body in bodies.items():
            schedule = "'@daily'" if dag_id == FILLED else "None"
            files |= dags.dag(dag_id, mark, body=body.format(gate=str(self.gate)), schedule=schedule)
        version = self.repo.commit(files)
        self.pinwheel.wait_settled("main", version, 120)
        return version

    def release_the_bad_builds(self) -> None:
        first = {ORDERS: "", FILLED: "", LATE: WAITS_AND_FAILS}
        self.good = self.push("good", first, *(set(ALL) - {*first}))
        self.pause(FILLED)
        before = [(dag_id, self.env.trigger(dag_id)) for dag_id in PROVEN for _ in range(5)]
        for dag_id, run_id in before:
            self.env.wait_run(dag_id, run_id, timeout=120)
        self.failed[LATE] = [self.env.trigger(LATE)]
        reply = self.env.api().put("/pinwheel/api/v1/policies/watched", json={"text": POLICIES})
        assert not reply.is_error, reply.text
        self.wait_running(LATE, 1)
        second = {CLEARED: FAILS_AT_FIRST, MARKED: WAITS_AND_FAILS, LOST: LOSES_ITS_WORKER, FILLED: ""}
        self.bad = self.push("bad", dict.fromkeys(ALL, FAILS) | second)
        watching = dict.fromkeys(ALL, "watching")
        wait_for(lambda: self.states() == watching, 60, lambda: f"{self.states()}\n{self.env.tails()}")

    def pause(self, dag_id: str) -> None:
        reply = self.env.api().patch(f"/api/v2/dags/{dag_id}", json={"is_paused": True})
        assert not reply.is_error, reply.text

    def wait_running(self, dag_id: str, number: int) -> None:
        query = "SELECT count(*) FROM task_instance WHERE dag_id = :d AND state = 'running'"
        wait_for(
            lambda: self.env.scalar(query, d=dag_id) == number, 60, lambda: f"{dag_id}\n{self.env.tails()}"
        )

    def trigger(self, dag_id: str, times: int = 1) -> list[str]:
        made = [self.env.trigger(dag_id) for _ in range(times)]
        self.failed.setdefault(dag_id, []).extend(made)
        return made

    def wait_failed(self, *dag_ids: str) -> None:
        for dag_id in dag_ids:
            for run_id in self.failed[dag_id]:
                self.env.wait_run(dag_id, run_id, "failed", timeout=120)

    def states(self) -> dict[str, str]:
        """By Dag, of its newest rollout."""
        rows = self.env.rows("SELECT dag_id, state FROM pinwheel_rollout ORDER BY id")
        return {row["dag_id"]: row["state"] for row in rows}

    def outcomes(self, dag_id: str) -> set[tuple[str, int, str]]:
        query = "SELECT run_id, seq, state FROM pinwheel_outcome WHERE dag_id = :d AND release = 2"
        return {(row["run_id"], row["seq"], row["state"]) for row in self.env.rows(query, d=dag_id)}

    def signals(self) -> set[str]:
        return {row["dag_id"] for row in self.env.rows("SELECT dag_id FROM pinwheel_signal")}

    def start_keeper(self, name: str = "keeper") -> None:
        self.env.start(name, command=[str(BIN / "pinwheel"), "keeper"])

    def wait_rolled_back(self, *dag_ids: str) -> None:
        def done() -> bool:
            states = self.states()
            return all(states[dag_id] == "rolled_back" for dag_id in dag_ids)

        wait_for(done, 60, lambda: f"{self.states()}\n{self.env.tails()}")

    def written(self, dag_id: str) -> list[tuple[str, str]]:
        """What a rollback of the Dag wrote, each with the transaction that did so."""
        of = "dag_id = :d AND kind = 'rollback'"
        version = f"id IN (SELECT dag_version_id FROM pinwheel_release WHERE {of})"
        found = []
        for table, which in (
            ("pinwheel_release", of),
            ("pinwheel_event", of),
            ("pinwheel_rejection", "dag_id = :d"),
            ("pinwheel_rollout", "dag_id = :d AND state = 'rolled_back'"),
            ("dag_version", version),
        ):
            rows = self.env.rows(f"SELECT xmin::text AS by FROM {table} WHERE {which}", d=dag_id)
            found += [(table, row["by"]) for row in rows]
        return found

    def reason(self, dag_id: str) -> str:
        """Why the Dag is pinned."""
        return str(self.pinwheel.status(dag_id)["reason"])

    def assert_rolled_back_once(self, dag_id: str) -> None:
        written = self.written(dag_id)
        assert len(written) == 5 and len({by for _, by in written}) == 1, written
        assert len({table for table, _ in written}) == 5, written
        status = self.pinwheel.status(dag_id)
        assert (status["active_build"], status["track"]) == (1, "pinned")


@pytest.fixture(scope="module")
def story(make_airflow: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Story:
    root = tmp_path_factory.mktemp("watches")
    repo = GitRepo(root / "repo")
    lost = "scheduler.task_instance_heartbeat_timeout"
    env = make_airflow(
        bundles=[bundles.git("main", repo.url)], config={lost: 20, f"{lost}_detection_interval": 3}
    ).start()
    made = Story(env=env, repo=repo, gate=root / "gate")
    made.release_the_bad_builds()
    env.stop(DAG_PROCESSOR)
    return made


@pytest.fixture(scope="module")
def failed(story: Story) -> Story:
    """What fails has failed, and there is neither a keeper nor a Dag processor."""
    env = story.env
    story.trigger(LOST)
    one, two = story.trigger(MARKED, 2)
    backfill = {"dag_id": FILLED, "from_date": "2024-02-01T00:00:00Z", "to_date": "2024-02-03T00:00:00Z"}
    made = env.api().post("/api/v2/backfills", json=backfill)
    assert not made.is_error, made.text
    reply = env.api().put(f"/api/v2/backfills/{made.json()['id']}/cancel")
    assert not reply.is_error, reply.text
    story.wait_running(MARKED, 2)
    for path, body in (("", {"state": "failed"}), ("/taskInstances/t", {"new_state": "failed"})):
        run_id = two if path else one
        reply = env.api().patch(f"/api/v2/dags/{MARKED}/dagRuns/{run_id}{path}", json=body)
        assert not reply.is_error, reply.text
    story.gate.touch()
    story.trigger(CLEARED)
    story.wait_failed(CLEARED)
    (run_id,) = story.failed[CLEARED]
    env.clear(CLEARED, run_id)
    story.trigger(ORDERS, 2)
    env.wait_run(CLEARED, run_id)
    story.wait_failed(ORDERS, LATE, MARKED, LOST)
    return story


@pytest.fixture(scope="module")
def back(failed: Story) -> Story:
    """A keeper has looked."""
    assert failed.states() == dict.fromkeys(ALL, "watching")
    failed.start_keeper()
    failed.wait_rolled_back(ORDERS, CLEARED)
    return failed


@pytest.mark.acceptance("rollouts", 46)
def test_the_keeper_is_signalled_by_the_transaction_that_records_what_a_run_came_to(failed: Story) -> None:
    assert failed.signals() >= {ORDERS, CLEARED, MARKED, LATE, LOST}
    rows = failed.env.rows(
        "SELECT o.run_id, o.seq FROM pinwheel_outcome o WHERE dag_id = :d AND release = 2 AND EXISTS"
        " (SELECT 1 FROM pinwheel_signal s WHERE s.dag_id = o.dag_id AND s.xmin = o.xmin)",
        d=ORDERS,
    )
    assert {row["run_id"] for row in rows} == set(failed.failed[ORDERS])


@pytest.mark.acceptance("rollouts", 46, 47)
def test_a_release_that_fails_is_rolled_back_by_one_transaction_without_a_parse(back: Story) -> None:
    assert not back.env.is_running(DAG_PROCESSOR)
    back.assert_rolled_back_once(ORDERS)
    reason = back.reason(ORDERS)
    assert all(run_id in reason for run_id in back.failed[ORDERS]), reason
    assert "2 of 2 runs of build 2 failed" in reason
    (event,) = back.pinwheel.events(ORDERS, "rollback")
    assert (event["actor"], event["reason"]) == ("pinwheel", reason)
    (rejected,) = back.env.rows(
        "SELECT b.build FROM pinwheel_rejection r JOIN pinwheel_build b ON b.id = r.build_id"
        " WHERE r.dag_id = :d",
        d=ORDERS,
    )
    assert rejected["build"] == 2


@pytest.mark.acceptance("rollouts", 80)
def test_the_run_after_a_rollback_by_itself_executes_the_proven_places_commit(back: Story) -> None:
    env = back.env
    run_id = env.trigger(ORDERS)
    env.wait_run(ORDERS, run_id, timeout=120)
    printed = env.marks(ORDERS, run_id, "t")
    assert printed["EXEC_MARK"] == "good" and back.good in printed["EXEC_FILE"], printed
    (bound,) = env.rows(
        "SELECT bundle_version, release, seq FROM pinwheel_binding WHERE dag_id = :d AND run_id = :r",
        d=ORDERS,
        r=run_id,
    )
    assert tuple(bound.values()) == (back.good, 3, 0)


def test_what_failed_runs_again_on_the_proven_build_where_the_policy_asks(back: Story) -> None:
    env = back.env
    for run_id in back.failed[ORDERS]:
        env.wait_run(ORDERS, run_id, timeout=120)
        assert env.marks(ORDERS, run_id, "t", 2)["EXEC_MARK"] == "good"
    assert back.outcomes(ORDERS) == {(run_id, 0, "failed") for run_id in back.failed[ORDERS]}


@pytest.mark.acceptance("rollouts", 84)
def test_a_failure_that_airflow_cleared_before_anyone_looked_counts(back: Story) -> None:
    (run_id,) = back.failed[CLEARED]
    assert {(run_id, 0, "failed"), (run_id, 1, "success")} == back.outcomes(CLEARED)
    back.assert_rolled_back_once(CLEARED)
    assert run_id in back.reason(CLEARED)


@pytest.mark.acceptance("rollouts", 54)
def test_a_lost_worker_and_what_a_person_marked_do_not_count(back: Story) -> None:
    wait_for(lambda: not back.signals(), 30, "the keeper has looked")
    for dag_id in (LOST, MARKED):
        assert back.outcomes(dag_id) == {(run_id, 0, "failed") for run_id in back.failed[dag_id]}
        assert back.states()[dag_id] == "watching"


@pytest.mark.acceptance("rollouts", 58)
def test_a_run_of_the_former_place_that_fails_late_does_not_count(back: Story) -> None:
    wait_for(lambda: not back.signals(), 30, "the keeper has looked")
    (run_id,) = back.failed[LATE]
    (outcome,) = back.env.rows(
        "SELECT run_id, release, state FROM pinwheel_outcome WHERE dag_id = :d", d=LATE
    )
    assert tuple(outcome.values()) == (run_id, 1, "failed")
    assert back.states()[LATE] == "watching"


@pytest.mark.full
@pytest.mark.acceptance("rollouts", 70)
def test_with_two_schedulers_and_a_keeper_that_is_killed_each_release_is_rolled_back_once(
    back: Story,
) -> None:
    back.env.start(SCHEDULER, name="scheduler-2")
    back.start_keeper("keeper-2")
    for dag_id in RACERS:
        back.trigger(dag_id, 2)
    kills = 0
    while {back.states()[dag_id] for dag_id in RACERS} != {"rolled_back"}:
        assert kills < 60, f"{back.states()}\n{back.env.tails()}"
        back.env.kill("keeper-2")
        kills += 1
        back.start_keeper("keeper-2")
        time.sleep(KILLED_AFTER)
    back.env.stop("keeper-2")
    back.wait_failed(*RACERS)
    for dag_id in RACERS:
        back.assert_rolled_back_once(dag_id)


@pytest.mark.full
@pytest.mark.acceptance("rollouts", 98)
def test_with_every_signal_dropped_a_release_is_rolled_back_all_the_same_later(back: Story) -> None:
    back.env.execute(DROPS)
    try:
        back.trigger(QUIET)
        back.wait_failed(QUIET)
        wait_for(lambda: back.outcomes(QUIET), 30, "what it came to")
        assert not back.signals()
        back.wait_rolled_back(QUIET)
    finally:
        back.env.execute("DROP TRIGGER drop_signal ON pinwheel_signal; DROP FUNCTION drop_signal()")
    back.assert_rolled_back_once(QUIET)


@pytest.mark.acceptance("rollouts", 48, 54)
def test_neither_a_newer_build_nor_a_cancelled_backfill_changes_anything_afterwards(back: Story) -> None:
    back.env.start(DAG_PROCESSOR)
    newer = back.push("newer", {ORDERS: "", FILLED: ""})
    back.pinwheel.wait_status(ORDERS, lambda status: status["newest_build"] == 3)
    assert newer not in (back.good, back.bad)
    back.assert_rolled_back_once(ORDERS)
    wait_for(lambda: len(back.outcomes(FILLED)) == 3, 60, lambda: f"{back.outcomes(FILLED)}")
    assert {state for _, _, state in back.outcomes(FILLED)} == {"failed"}
    wait_for(lambda: not back.signals(), 30, "the keeper has looked")
    query = "SELECT state FROM pinwheel_rollout WHERE dag_id = :d ORDER BY id"
    assert [row["state"] for row in back.env.rows(query, d=FILLED)] == ["watching", "waiting"]
