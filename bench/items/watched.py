"""(u) A rollback that happens by itself: from the deciding run's end until new runs take the proven place.

In process, on PostgreSQL: Airflow's own scheduler ends the runs, with Pinwheel's listener, and beside it
turns the keeper's loop with its duty for rollouts alone. That the task failed is written as a worker leaves
it. A rollback is visible when the transaction is committed that changes Airflow's rows: the moment at which
the keeper tells of it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from bench.inprocess import bound, make_run, telling
from bench.meter import median, summary, until
from bench.report import Row
from bench.seed import seed
from bench.setting import Setting

TITLE = "rolled back by itself"
PER_SIDE = False
MEDIAN_SECONDS, WORST_SECONDS = 1.0, 2.0
EACH = 1.3
"""Seconds from one to the next: no whole turns of the keeper, so that runs end anywhere between two."""
BEFORE = 5
"""So many runs that were well make the first build a way back."""
TASK = "one"
TEMPLATE = """
from datetime import datetime
from airflow.sdk import DAG, task

with DAG("template_of_all", schedule=None, start_date=datetime(2024, 1, 1), is_paused_upon_creation=False):
    @task
    def one():
        print("REVISION")

    one()
"""
POLICY = """
policies:
  - {name: watched, dags: all, steps: [release, {soak: {}}], rollback: {when: first-failure}}
"""


def measure(setting: Setting) -> dict[str, Any]:
    from harness.platform_file import put_in_force
    from harness.scheduling import Scheduler, listening
    from pinwheel.airflow3.host import airflow_host

    with setting.database("watched") as database, bound(database), listening():
        dag_ids = seed(setting.folder("seed"), setting.options.starts, revisions=1, template=TEMPLATE)
        scheduler = Scheduler()
        for dag_id in dag_ids:
            for number in range(BEFORE):
                make_run(dag_id, f"before-{number}")
        scheduler.settle()
        host = airflow_host()
        put_in_force(host, POLICY)
        seed(setting.folder("again"), setting.options.starts, revisions=2, template=TEMPLATE)
        told: dict[str, datetime] = {}
        late = []
        with _keeper(telling(host, told)):
            for dag_id in dag_ids:
                began = time.monotonic()
                ended = _fail(scheduler, dag_id)
                until(lambda dag_id=dag_id: dag_id in told, 60, f"{dag_id} to be rolled back")
                late.append((told[dag_id] - ended).total_seconds())
                time.sleep(max(0.0, EACH * 2 - (time.monotonic() - began)))
        return {"late": summary(late)}


@contextmanager
def _keeper(host: Any) -> Iterator[None]:
    """The keeper's loop, in a thread."""
    from pinwheel.airflow3.keeper.duties import duties_of
    from pinwheel.airflow3.keeper.loop import Loop
    from pinwheel.services.upkeep.beat import Beat

    duties = [duty for duty in duties_of(host, Beat(host)) if duty.name == "advance rollouts"]
    loop, stop = Loop(host, duties), threading.Event()
    thread = threading.Thread(target=loop.run, args=(stop,))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _fail(scheduler: Any, dag_id: str) -> datetime:
    """A run whose task says that it failed; when the scheduler saw that it had ended."""
    from airflow.models.dagrun import DagRun
    from airflow.models.log import Log
    from airflow.utils.session import create_session
    from sqlalchemy import select

    make_run(dag_id, "deciding")
    # It starts, its task is scheduled, and queued.
    scheduler.schedule()
    scheduler.schedule()
    scheduler.executor.ends[TASK] = "failed"
    scheduler.executor.work()
    own = {"dag_id": dag_id, "run_id": "deciding", "task_id": TASK, "map_index": -1, "try_number": 1}
    with create_session() as session:
        session.add(Log("failed", extra='{"host_name": "w1"}', **own))
    scheduler.schedule()
    query = select(DagRun.end_date).where(DagRun.dag_id == dag_id, DagRun.run_id == "deciding")
    with create_session() as session:
        ended: datetime | None = session.scalar(query)
    assert ended is not None, f"the run of {dag_id} goes on"
    return ended


def rows(found: dict[str, Any]) -> list[Row]:
    late = found["late"]
    middle = median(late["values"])
    return [
        Row(
            item="u",
            what="rolled back by itself: from the deciding run's end to in effect",
            target=f"{MEDIAN_SECONDS:g} s, slowest {WORST_SECONDS:g} s",
            pinwheel=f"{middle:.2f} s, slowest of {late['n']} {late['max']:.2f} s",
            met=middle <= MEDIAN_SECONDS and late["max"] <= WORST_SECONDS,
        )
    ]
