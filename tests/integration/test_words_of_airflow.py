"""What Airflow itself says of how tasks and runs ended: each of its texts is made by it, and understood.

No contract has these texts. A version that says something else fails here, and not in a deployment, whose
watches would pause.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from airflow.models.log import Log
from airflow.models.taskinstance import TaskInstance
from airflow.sdk import timezone
from airflow.utils.session import create_session
from attrs import define

from harness import airflow_apis
from harness.dag_runs import DagRuns
from harness.scheduling import Scheduler, listening_airflow
from harness.seed import Seeder
from pinwheel.core.records import RunOutcome
from pinwheel.core.rollout.blame import Traces, Word, end_of
from pinwheel.core.rollout.watched import End
from pinwheel.core.run.how import How
from pinwheel.services.ports.reads import RunEnd
from pinwheel.store import tables as t

pytestmark = pytest.mark.acceptance("rollouts", 100)

SOURCE = """
    from datetime import datetime, timedelta
    from airflow.sdk import DAG, task, task_group

    def dag(dag_id, **more):
        return DAG(dag_id, schedule=None, start_date=datetime(2024, 1, 1), max_active_runs=1000, **more)

    with dag("plain"):
        @task
        def x(): ...
        @task
        def y(): ...
        x()
        y()

    with dag("again", default_args={"retries": 1, "retry_delay": timedelta(0)}):
        @task
        def x(): ...
        x()

    with dag("fast", fail_fast=True):
        @task
        def x(): ...
        @task
        def y(): ...
        x()
        y()

    with dag("short", dagrun_timeout=timedelta(hours=1)):
        @task
        def x(): ...
        x()

    with dag("chain"):
        @task
        def x(): ...
        @task
        def y(): ...
        @task
        def z(): ...
        x() >> y() >> z()

    with dag("mapped"):
        @task
        def x(n): ...
        x.expand(n=[1, 2])

    with dag("grouped"):
        @task_group
        def g(n):
            @task
            def x(n): ...
            @task
            def y(n): ...
            x(n)
            y(n)
        g.expand(n=[1, 2])
"""
LONG_AGO = timedelta(days=1)


@define
class Run:
    """A run whose tasks do as the test says; scheduler and both APIs are Airflow's."""

    stage: Stage
    dag_id: str
    run_id: str

    def ids(self, *states: str) -> dict[tuple[str, int], Any]:
        """Of its present instances in one of these states, by task and map index."""
        with create_session() as session:
            found = session.scalars(
                sa.select(TaskInstance).where(
                    TaskInstance.dag_id == self.dag_id, TaskInstance.run_id == self.run_id
                )
            )
            return {
                (each.task_id, index): each.id
                for each in found
                if each.state in states
                for index in [getattr(each, "region_index", each.map_index)]
            }

    def queue(self) -> Run:
        for _ in range(3):
            self.stage.scheduler.schedule()
        return self

    def begin(self, *task_ids: str) -> Run:
        """Workers take these tasks, or all that were queued."""
        self.queue()
        now = timezone.utcnow().isoformat()
        body = {"state": "running", "hostname": "w1", "unixname": "u", "pid": 7, "start_date": now}
        for (task_id, _), each in self.ids("queued").items():
            if not task_ids or task_id in task_ids:
                self.stage.worker(each, "run", body)
        return self

    def fails(self, task_id: str, index: int | None = None, *, state: str = "failed") -> Run:
        for (of, at), each in self.ids("running").items():
            if of == task_id and index in (None, at):
                self.stage.worker(each, "state", {"state": state, "end_date": timezone.utcnow().isoformat()})
        return self

    def all_well(self) -> Run:
        for task_id, _ in self.ids("running"):
            self.fails(task_id, state="success")
        return self

    def told(self, state: str) -> Run:
        """The executor says this of each task that it has."""
        with create_session() as session:
            ids = list(self.ids("queued", "running").values())
            for each in session.scalars(sa.select(TaskInstance).where(TaskInstance.id.in_(ids))):
                self.stage.scheduler.executor.change_state(each.key, state)
        self.stage.scheduler.executor_said()
        return self

    def patch(self, path: str, **body: Any) -> Run:
        """A person asks Airflow for this."""
        url = f"dags/{self.dag_id}/dagRuns/{self.run_id}{path}"
        reply = self.stage.persons.patch(url, json=body)
        assert reply.status_code == 200, reply.text
        return self

    def clear(self, **more: Any) -> Run:
        body = {"dry_run": False, "only_failed": True, "dag_run_id": self.run_id, **more}
        reply = self.stage.persons.post(f"dags/{self.dag_id}/clearTaskInstances", json=body)
        assert reply.status_code == 200, reply.text
        return self

    def set_times(self, table: str, **values: Any) -> Run:
        with create_session() as session:
            names = ", ".join(f"{name} = :{name}" for name in values)
            query = f"UPDATE {table} SET {names} WHERE dag_id = :d AND run_id = :r"
            session.execute(sa.text(query), {**values, "d": self.dag_id, "r": self.run_id})
        return self

    def words(self) -> list[str]:
        """Of the log, of its tasks and itself."""
        with create_session() as session:
            query = sa.select(Log.event).where(Log.dag_id == self.dag_id, Log.run_id == self.run_id)
            return list(session.scalars(query.order_by(Log.id)))

    def outcome(self, seq: int = 0) -> RunOutcome:
        self.queue()
        o = t.outcome.c
        with create_session() as session:
            query = sa.select(t.outcome).where(o.dag_id == self.dag_id, o.run_id == self.run_id, o.seq == seq)
            return RunOutcome.from_row(session.execute(query).mappings().one())

    def traces(self, seq: int = 0) -> Traces:
        key = RunEnd(dag_id=self.dag_id, run_id=self.run_id, seq=seq)
        host = self.stage.host
        found: Traces = host.unit.run(lambda session: host.reads.traces(session, {key}, {key}))[key]
        return found

    def end(self, seq: int = 0) -> tuple[How | None, End]:
        """How it ended, by what Airflow told our listener and by its rows."""
        outcome = self.outcome(seq)
        return outcome.how, end_of(outcome, self.traces(seq))

    def said_of(self, task_id: str) -> list[set[Word]]:
        return [set(each.words) for each in self.traces().failed if each.task_id == task_id]


@define
class Stage:
    root: Path
    persons: httpx.Client
    workers: httpx.Client
    host: Any = None
    scheduler: Any = None

    def __attrs_post_init__(self) -> None:
        seeder = Seeder(self.root)
        seeder.push({"words.py": SOURCE})
        self.host, self.scheduler = seeder.host, Scheduler()

    def run(self, dag_id: str) -> Run:
        runs = DagRuns(self.host, dag_id)
        runs.unpause()
        return Run(self, dag_id, runs.run(None))

    def worker(self, instance: Any, what: str, body: Any) -> None:
        reply = self.workers.patch(f"task-instances/{instance}/{what}", json=body)
        assert reply.is_success, reply.text


@pytest.fixture(scope="module")
def stage(sqlite: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    root = tmp_path_factory.mktemp("words")
    with (
        listening_airflow(sqlite),
        airflow_apis.of_persons() as persons,
        airflow_apis.of_workers() as workers,
    ):
        yield Stage(root, persons, workers)


def test_a_run_whose_tasks_were_well_is_well(stage: Stage) -> None:
    run = stage.run("plain").begin().all_well()
    assert run.end() == (How.BY_TASKS, End.WELL)


def test_a_task_that_says_itself_that_it_failed_is_the_releases_failure(stage: Stage) -> None:
    run = stage.run("plain").begin().fails("x").all_well()
    assert run.end() == (How.BY_TASKS, End.FAILED)
    assert run.said_of("x") == [{Word.FAILED}]


def test_only_the_last_try_counts(stage: Stage) -> None:
    run = stage.run("again").begin().fails("x", state="up_for_retry")
    assert run.begin().fails("x").end() == (How.BY_TASKS, End.FAILED)


@pytest.mark.parametrize("dag_id", ["mapped", "grouped"])
def test_of_a_mapped_task_the_log_of_the_instance_that_failed_is_found(stage: Stage, dag_id: str) -> None:
    task_id = "x" if dag_id == "mapped" else "g.x"
    run = stage.run(dag_id).begin().fails(task_id, 1).all_well()
    assert run.end() == (How.BY_TASKS, End.FAILED)
    assert run.said_of(task_id) == [{Word.FAILED}]


def test_what_ends_with_a_lost_worker_is_not_the_releases_failure(stage: Stage) -> None:
    run = stage.run("plain").begin("x", "y").fails("y", state="success")
    run.set_times("task_instance", last_heartbeat_at=timezone.utcnow() - LONG_AGO)
    stage.scheduler.look_for_lost_workers()
    stage.scheduler.executor_said()
    assert run.end() == (How.BY_TASKS, End.INFRASTRUCTURE)
    assert Word.HEARTBEAT in run.said_of("x")[0]
    assert "failed" in run.words(), "somebody says it in its place, and names no host"


def test_a_task_that_its_executor_lost_is_not_the_releases_failure(stage: Stage) -> None:
    run = stage.run("plain").queue().told("failed")
    assert run.end() == (How.BY_TASKS, End.INFRASTRUCTURE)
    assert Word.MISMATCH in run.said_of("x")[0]


def test_a_task_that_never_came_out_of_the_queue_is_not_the_releases_failure(stage: Stage) -> None:
    run = stage.run("plain").queue()
    run.set_times("task_instance", queued_dttm=timezone.utcnow() - LONG_AGO)
    stage.scheduler.look_for_stuck_tasks()
    assert run.end() == (How.BY_TASKS, End.INFRASTRUCTURE)
    assert run.said_of("x") == [{Word.STUCK}]


def test_a_task_that_must_fail_with_another_says_nothing_of_its_own(stage: Stage) -> None:
    run = stage.run("fast").begin().fails("x")
    assert run.end() == (How.BY_TASKS, End.FAILED)
    assert run.said_of("y") == [{Word.FAIL_FAST}]


def test_a_run_that_takes_longer_than_its_dag_allows_failed(stage: Stage) -> None:
    run = stage.run("short").begin().set_times("dag_run", start_date=timezone.utcnow() - LONG_AGO)
    assert run.end() == (How.TIMED_OUT, End.FAILED)


def test_a_run_of_which_no_task_can_go_on_failed(stage: Stage) -> None:
    run = stage.run("chain").begin()
    with create_session() as session:
        gone = TaskInstance.run_id == run.run_id, TaskInstance.task_id == "y"
        session.execute(sa.delete(TaskInstance).where(*gone))
    assert run.all_well().end() == (How.DEADLOCKED, End.FAILED)


@pytest.mark.parametrize("state", ["failed", "success"])
def test_a_run_that_a_person_marked_is_by_hand(stage: Stage, state: str) -> None:
    run = stage.run("plain").begin().patch("", state=state)
    assert run.end() == (How.BY_HAND, End.BY_HAND)
    assert run.traces().by_hand, "where no listener heard of it"


def test_runs_that_a_person_marked_together_are_by_hand(stage: Stage) -> None:
    run = stage.run("plain").begin()
    entity = {"dag_run_id": run.run_id, "dag_id": run.dag_id, "state": "failed"}
    body = {"actions": [{"action": "update", "entities": [entity]}]}
    reply = stage.persons.patch("dags/~/dagRuns", json=body)
    assert reply.status_code == 200, reply.text
    assert run.end() == (How.BY_HAND, End.BY_HAND)


def test_a_task_that_a_person_marked_is_by_hand(stage: Stage) -> None:
    run = stage.run("plain").begin().patch("/taskInstances/x", new_state="failed").all_well()
    assert run.end() == (How.BY_TASKS, End.BY_HAND)


def test_tasks_that_a_person_marked_with_another_are_by_hand(stage: Stage) -> None:
    run = stage.run("chain").begin().patch("/taskInstances/y", new_state="failed", include_upstream=True)
    assert [len(each) for each in (run.said_of("x"), run.said_of("y"))] == [1, 1]
    assert run.end() == (How.BY_TASKS, End.BY_HAND)


def test_a_run_of_which_only_some_failures_were_cleared_is_not_counted_again(stage: Stage) -> None:
    run = stage.run("plain").begin().fails("x").fails("y")
    assert run.end() == (How.BY_TASKS, End.FAILED)
    run.clear(task_ids=["x"]).begin().all_well()
    assert run.end(1) == (How.BY_TASKS, End.BY_HAND)


def test_tasks_of_a_group_that_a_person_marked_are_by_hand(stage: Stage) -> None:
    run = stage.run("grouped").begin().patch("/taskGroupInstances/g", new_state="failed")
    assert run.end() == (How.BY_TASKS, End.BY_HAND)


def test_tasks_that_a_person_marked_together_leave_no_word_so_nobody_is_blamed(stage: Stage) -> None:
    run = stage.run("plain").begin()
    body = {"actions": [{"action": "update", "entities": [{"task_id": "x", "new_state": "failed"}]}]}
    run.patch("/taskInstances", **body).all_well()
    assert run.end() == (How.BY_TASKS, End.UNKNOWN)


def test_a_failure_of_which_airflow_says_nothing_is_unknown(stage: Stage) -> None:
    run = stage.run("plain").begin().set_times("task_instance", state="failed")
    assert run.end() == (How.BY_TASKS, End.UNKNOWN)


def test_a_failure_that_was_cleared_is_told_apart_from_what_came_after_it(stage: Stage) -> None:
    run = stage.run("plain").begin().fails("x").all_well()
    assert run.end() == (How.BY_TASKS, End.FAILED)
    run.clear()
    assert end_of(run.outcome(), run.traces()) is End.FAILED
    run.begin().all_well()
    assert run.end(1) == (How.BY_TASKS, End.WELL)
    assert end_of(run.outcome(), run.traces()) is End.FAILED
