"""(p) Scheduler throughput of runs whose Dag has eras: bound where they stand, and bound to another build.

As (f): runs of empty tasks wait in the database, and one scheduler works them off. The stock side has the
same runs, and neither plugin nor eras. *Bound*: the era of their date names the build that they were made on.
*Rebound*: it names another one, of other tasks, so their task instances are made anew.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from bench.inprocess import add_run, bound, newest_dag
from bench.items.scheduler import CONFIG
from bench.meter import cpu_seconds, median, until
from bench.report import Row
from bench.seed import BUNDLE, seed
from bench.setting import PINWHEEL, STOCK, Setting
from harness.airflow_env import SCHEDULER
from harness.databases import Database

TITLE = "runs by the date of their data"
PER_SIDE = False
TASKS = {3: 1, 200: 30}
"""By number of tasks: one of so many runs is made of each."""
WAYS = {"stock": None, "bound": 2, "rebound": 1}
"""The build that the era of all dates names; 2 is active."""
DAGS = 5
_SOURCE = """
from datetime import datetime, timezone
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG

with DAG("template_of_all", schedule=None, start_date=datetime(2024, 1, 1, tzinfo=timezone.utc),
         max_active_runs=10_000, is_paused_upon_creation=False):
    middle = [EmptyOperator(task_id=f"REVISION_{{n}}") for n in range({middle})]
    EmptyOperator(task_id="first") >> middle >> EmptyOperator(task_id="last")
"""


def measure(setting: Setting) -> dict[str, Any]:
    return {str(tasks): _measure(setting, tasks, part) for tasks, part in TASKS.items()}


def _measure(setting: Setting, tasks: int, part: int) -> dict[str, Any]:
    runs = max(setting.options.runs // part // DAGS, 1) * DAGS
    found: dict[str, Any] = {way: [] for way in WAYS}
    with setting.database("runs") as original:
        with bound(original):
            dag_ids = _queue(setting, tasks, runs)
        for turn in range(max(setting.options.rounds // 2, 1)):
            for way in WAYS if turn % 2 == 0 else reversed(WAYS):
                with _prepared(setting, original, dag_ids, WAYS[way]) as database:
                    found[way].append(_round(setting, way, database, runs))
    return found


def _queue(setting: Setting, tasks: int, runs: int) -> list[str]:
    from airflow.utils.session import create_session

    source = _SOURCE.format(middle=tasks - 2)
    dag_ids = seed(setting.folder("seed"), DAGS, revisions=2, template=source)
    for dag_id in dag_ids:
        with create_session() as session:
            dag = newest_dag(session, dag_id)
            for number in range(runs // DAGS):
                add_run(session, dag, f"run-{number:05d}")
    return dag_ids


@contextmanager
def _prepared(
    setting: Setting, original: Database, dag_ids: list[str], build: int | None
) -> Iterator[Database]:
    with setting.copy_of(original) as database:
        if build is not None:
            with bound(database):
                set_eras(dag_ids, build)
        yield database


def set_eras(dag_ids: list[str], number: int) -> None:
    """As setting it does, but for what is asked of a Dag processor: here is none."""
    from pinwheel.airflow3.host import airflow_host
    from pinwheel.core.run.timeline import Era
    from pinwheel.services.release.revise import revise
    from pinwheel.store import builds
    from pinwheel.store.locking import lock_dags

    host = airflow_host()
    host.deployment.versioned |= {BUNDLE: True}

    def work(session: Any) -> None:
        lock_dags(session, dag_ids)
        for dag_id in dag_ids:
            (build,) = (each for each in builds.of_dag(session, dag_id) if each.build == number)
            era = Era(
                starts_at=None,
                ends_at=None,
                build_id=build.id,
                build=build.build,
                bundle_version=build.bundle_version,
            )
            revise(host, session, dag_id, [era], bundle_name=BUNDLE, verb="set", actor="bench", reason=None)

    host.unit.run(work)


def _round(setting: Setting, way: str, database: Database, runs: int) -> dict[str, float]:
    side = STOCK if way == "stock" else PINWHEEL
    with setting.deployment(side, database, config=CONFIG) as (env, _):
        env.start(SCHEDULER, timeout=300)
        left = "SELECT count(*) FROM dag_run WHERE state IN ('queued', 'running')"
        until(lambda: env.scalar(left) == 0, 60 + runs * 2, "all runs finished", 0.5)
        cpu = cpu_seconds(env.processes[SCHEDULER].pid)
        (times,) = env.rows("SELECT min(start_date) AS first, max(end_date) AS last FROM dag_run")
        count = env.scalar("SELECT count(*) FROM dag_run WHERE state = 'success'")
        assert count == runs, f"{count} runs succeeded"
        if (build := WAYS[way]) is not None:
            right = (
                "SELECT count(*) FROM pinwheel_binding b JOIN pinwheel_build p ON p.id = b.build_id"
                " WHERE b.bound_by = 'era' AND p.build = :build"
            )
            assert env.scalar(right, build=build) == runs, "each is on the build of its era"
        seconds = (times["last"] - times["first"]).total_seconds()
        time.sleep(0.2)
        return {"seconds": seconds, "runs": count, "rate": count / seconds, "cpu": cpu}


def rows(found: dict[str, Any]) -> list[Row]:
    made = []
    for tasks, ways in found.items():
        rate = {way: median([turn["rate"] for turn in turns]) for way, turns in ways.items()}
        cpu = {way: median([turn["cpu"] for turn in turns]) for way, turns in ways.items()}
        for way in ("bound", "rebound"):
            made.append(
                Row(
                    item="p",
                    what=f"scheduler, {ways[way][0]['runs']} runs of {tasks} empty tasks, {way} by date",
                    stock=f"{rate['stock']:.1f} runs/s, {cpu['stock']:.1f} CPU s",
                    pinwheel=f"{rate[way]:.1f} runs/s, {cpu[way]:.1f} CPU s",
                    ratio=f"ratio {rate[way] / rate['stock']:.3f}, median of {len(ways[way])} rounds",
                )
            )
    return made
