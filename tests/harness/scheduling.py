"""Airflow's own scheduler loop in the test process, with an executor that only remembers what it was given.

Milliseconds a turn, no worker and no child: for tests of what the scheduler makes of runs.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from airflow.executors.base_executor import BaseExecutor
from airflow.jobs.job import Job
from airflow.jobs.scheduler_job_runner import SchedulerJobRunner
from airflow.models.dagrun import DagRun
from airflow.models.taskinstance import TaskInstance
from airflow.sdk import timezone
from airflow.utils.session import create_session
from attrs import frozen
from sqlalchemy import func, select

from harness.inprocess import bound_airflow


@frozen
class Workload:
    """What a worker would have been asked to execute."""

    dag_id: str
    run_id: str
    task_id: str
    bundle_version: str | None


class RememberingExecutor(BaseExecutor):
    """Takes every workload, and lets its task instance end when it is told to."""

    is_local = True
    supports_callbacks = True

    def __init__(self) -> None:
        super().__init__()
        self.given: list[Workload] = []
        self.ends: dict[str, str] = {}
        """By task: the state that it ends in."""
        self._to_do: list[Any] = []

    def start(self) -> None: ...
    def end(self) -> None: ...
    def terminate(self) -> None: ...
    def sync(self) -> None: ...
    def heartbeat(self) -> None: ...
    def revoke_task(self, *, ti: Any) -> None: ...
    def send_callback(self, request: Any) -> None: ...

    def queue_workload(self, workload: Any, session: Any = None) -> None:
        self.given.append(
            Workload(
                workload.ti.dag_id, workload.ti.run_id, workload.ti.task_id, workload.bundle_info.version
            )
        )
        self._to_do.append(workload.ti.id)

    def has_task(self, task_instance: Any) -> bool:
        return False

    @property
    def slots_available(self) -> int:
        return 10**6

    def work(self) -> None:
        """Every task that was given runs and ends."""
        done, self._to_do = self._to_do, []
        with create_session() as session:
            for instance in session.scalars(select(TaskInstance).where(TaskInstance.id.in_(done))):
                if instance.state == "queued":
                    instance.state = self.ends.get(instance.task_id, "success")
                    instance.start_date = instance.end_date = timezone.utcnow()


class Scheduler:
    """A scheduler that turns as often as a test asks."""

    def __init__(self) -> None:
        with create_session() as session:
            job = Job(job_type="SchedulerJob")
            session.add(job)
            session.flush()
            session.expunge(job)
        self.executor = RememberingExecutor()
        arguments: Any = {"job": job}
        if "executors" in SchedulerJobRunner.__init__.__code__.co_varnames:
            arguments["executors"] = [self.executor]
        self._runner: Any = SchedulerJobRunner(**arguments)
        self._runner.executors = [self.executor]
        self._runner.executor = self.executor
        with contextlib.suppress(AttributeError):
            job.executors = [self.executor]

    @property
    def given(self) -> list[Workload]:
        return self.executor.given

    def schedule(self) -> None:
        """One turn of its own; no task is carried out."""
        with create_session() as session:
            self._runner._do_scheduling(session)

    def turn(self, times: int = 1) -> None:
        """Turns, after each of which every queued task is carried out."""
        for _ in range(times):
            self.schedule()
            self.executor.work()

    def executor_said(self) -> None:
        """It looks at what its executor told it of tasks that ended."""
        with create_session() as session:
            self._runner._process_executor_events(executor=self.executor, session=session)

    def look_for_lost_workers(self) -> None:
        self._runner._find_and_purge_task_instances_without_heartbeats()

    def look_for_stuck_tasks(self) -> None:
        """None has waited in a queue for long enough to be more than stuck."""
        self._runner._task_queued_timeout = self._runner._num_stuck_queued_retries = 0
        self._runner._handle_tasks_stuck_in_queued()

    def complete_backfills(self) -> None:
        """As it does from time to time: only then may a Dag have another one."""
        self._runner._mark_backfills_complete()

    def settle(self, *, turns: int = 12) -> None:
        """Turn until no run is left, or so often."""
        with create_session() as session:
            just_made = select(func.count()).where(
                DagRun.state == "queued", DagRun.run_after > timezone.utcnow() - timedelta(seconds=1)
            )
            if session.scalar(just_made):
                # On SQLite Airflow compares that with the whole second before now
                time.sleep(1.1)
        for _ in range(turns):
            with create_session() as session:
                left = select(func.count()).where(DagRun.state.in_(["queued", "running"]))
                if not session.scalar(left):
                    return
            self.turn()


@contextlib.contextmanager
def listening_airflow(source: Any) -> Iterator[Any]:
    """A database of *source*, gone afterwards, to which Airflow in this process is bound and listens."""
    database = source.create()
    with bound_airflow(database), listening():
        yield database
    database.drop()


@contextlib.contextmanager
def listening() -> Iterator[None]:
    """Pinwheel's listener is known to Airflow in this process, and remembers nothing of other databases.

    However busy the machine is, one transaction of the scheduler binds all its runs: beyond its budget of a
    quarter of a second it would leave some to the next turn.
    """
    from airflow.listeners.listener import get_listener_manager

    from pinwheel.airflow3.run import binder, listener

    manager = get_listener_manager()
    was_known = manager.pm.is_registered(listener)
    if not was_known:
        manager.add_listener(listener)
    _forget(binder, listener)
    budget = binder.BUDGET
    binder.BUDGET = float("inf")
    try:
        yield
    finally:
        binder.BUDGET = budget
        _forget(binder, listener)
        if not was_known:
            manager.pm.unregister(listener)


def _forget(binder: Any, listener: Any) -> None:
    listener._ready.clear()
    for kept in (binder._seen, binder._read_all, binder._to_bind, binder._told):
        kept.clear()
