"""(f) Scheduler throughput with and without Pinwheel's listener.

Runs of Dags whose tasks are empty, so that the scheduler finishes them itself, wait in the database; one
scheduler works them off. Each round starts from a copy of the same database, in the order ABBA.
"""

from __future__ import annotations

import time
from typing import Any

from bench.inprocess import add_run, bound, newest_dag
from bench.meter import cpu_seconds, median, until
from bench.report import Row
from bench.seed import EMPTY, seed
from bench.setting import PINWHEEL, SIDES, STOCK, Setting
from harness.airflow_env import SCHEDULER
from harness.databases import Database

TITLE = "scheduler throughput"
PER_SIDE = False
TARGET = 0.99
DAGS = 10
CONFIG = {
    "scheduler.scheduler_idle_sleep_time": 0,
    "core.max_active_runs_per_dag": 100_000,
    "core.dags_are_paused_at_creation": False,
}


def measure(setting: Setting) -> dict[str, Any]:
    found: dict[str, Any] = {side: [] for side in SIDES}
    with setting.database("runs") as original:
        with bound(original):
            _queue(setting)
        for turn in range(setting.options.rounds):
            for side in SIDES if turn % 2 == 0 else reversed(SIDES):
                with setting.copy_of(original) as database:
                    found[side].append(_round(setting, side, database))
    return found


def _queue(setting: Setting) -> None:
    from airflow.utils.session import create_session

    dag_ids = seed(setting.folder("seed"), DAGS, revisions=1, template=EMPTY)
    for dag_id in dag_ids:
        with create_session() as session:
            dag = newest_dag(session, dag_id)
            for number in range(setting.options.runs // DAGS):
                add_run(session, dag, f"run-{number:05d}")


def _round(setting: Setting, side: str, database: Database) -> dict[str, float]:
    with setting.deployment(side, database, config=CONFIG) as (env, _):
        env.start(SCHEDULER, timeout=300)
        left = "SELECT count(*) FROM dag_run WHERE state IN ('queued', 'running')"
        until(lambda: env.scalar(left) == 0, 60 + setting.options.runs, "all runs finished", 0.5)
        cpu = cpu_seconds(env.processes[SCHEDULER].pid)
        (times,) = env.rows("SELECT min(start_date) AS first, max(end_date) AS last FROM dag_run")
        count = env.scalar("SELECT count(*) FROM dag_run WHERE state = 'success'")
        bound_runs = env.scalar("SELECT count(*) FROM pinwheel_binding")
        assert count == setting.options.runs // DAGS * DAGS, f"{count} runs succeeded"
        assert bound_runs == (count if side == PINWHEEL else 0), f"{bound_runs} runs were recorded"
        seconds = (times["last"] - times["first"]).total_seconds()
        time.sleep(0.2)
        return {"seconds": seconds, "runs": count, "rate": count / seconds, "cpu": cpu}


def rows(found: dict[str, Any]) -> list[Row]:
    rate = {side: median([turn["rate"] for turn in found[side]]) for side in SIDES}
    cpu = {side: median([turn["cpu"] for turn in found[side]]) for side in SIDES}
    ratio = rate[PINWHEEL] / rate[STOCK]

    def cell(side: str) -> str:
        return f"{rate[side]:.1f} runs/s, {cpu[side]:.1f} CPU s"

    return [
        Row(
            item="f",
            what=f"scheduler, {found[STOCK][0]['runs']} runs of empty tasks, without and with the listener",
            target=f"ratio {TARGET}",
            stock=cell(STOCK),
            pinwheel=cell(PINWHEEL),
            ratio=f"ratio {ratio:.3f}, median of {len(found[STOCK])} rounds",
            met=ratio >= TARGET,
        )
    ]
