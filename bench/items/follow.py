"""(k) A push that changes nothing traced: until new runs of every Dag of a large bundle take it.

In process, through the service that the Dag processor calls, on PostgreSQL, first alone and then beside a
scheduler that is kept busy by the same Dags. Stock Airflow has no such step: each file is parsed again. What
is compared is the least that any way must write, one ``UPDATE`` of Airflow's column.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from typing import Any

from bench.inprocess import bound
from bench.meter import median, summary, until
from bench.report import Row
from bench.seed import BUNDLE, EACH_MINUTE, files_of, seed
from bench.setting import PINWHEEL, Setting
from harness.airflow_env import SCHEDULER
from harness.databases import Database
from harness.taking import take_in

TITLE = "a push that changes nothing traced"
PER_SIDE = False
TARGET_SECONDS = 1.0
AIRFLOW_TABLES = ("dag", "dag_version", "serialized_dag", "dag_code")
GIVE_UP = 120.0


def measure(setting: Setting) -> dict[str, Any]:
    options = setting.options
    with setting.database("follow") as database, bound(database):
        dag_ids = seed(setting.folder("seed"), options.dags, revisions=1, template=EACH_MINUTE)
        setting.server.execute("ANALYZE", database.name)
        bundle = Bundle(setting, database, dag_ids)
        bundle.push()  # The first has each Dag's follow_version to fill in, and a cold cache.
        found: dict[str, Any] = {"dags": len(dag_ids), "alone": bundle.measured(options.pushes)}
        with setting.deployment(PINWHEEL, database) as (env, _):
            env.start(SCHEDULER, timeout=300)
            until(lambda: bundle.count("dag_run") > 0, 300, "the scheduler's first runs", 0.2)
            before, began = bundle.count("dag_run"), time.perf_counter()
            found["scheduler"] = bundle.measured(options.pushes)
            assert env.is_running(SCHEDULER), env.tails(25)
            # A few Dags are followed before the scheduler comes round to them again
            until(lambda: bundle.count("dag_run") > before, 300, "a run beside the pushes", 0.2)
            made, seconds = bundle.count("dag_run") - before, time.perf_counter() - began
        found["scheduler"]["runs_per_second"] = made / seconds
    return found


class Bundle:
    """The bundle of all Dags, whose versions are taken in without a Dag processor."""

    def __init__(self, setting: Setting, database: Database, dag_ids: list[str]) -> None:
        from pinwheel.airflow3.host import airflow_host

        self.host = airflow_host()
        self.host.deployment.versioned |= {BUNDLE: True}
        self.files = files_of(dag_ids)
        self.dags = len(dag_ids)
        self.query: Callable[[str], Any] = lambda text: setting.server.execute(text, database.name)
        own = self.query("SELECT tablename FROM pg_tables WHERE tablename LIKE 'pinwheel\\_%'")
        # A busy scheduler adds those, for its runs
        of_runs = {"pinwheel_binding", "pinwheel_outcome"}
        self.tables = sorted({*AIRFLOW_TABLES, *(name for (name,) in own)} - of_runs)
        self.pushes = 0

    def measured(self, count: int) -> dict[str, Any]:
        pushes = [self.push() for _ in range(count)]
        floor = [self.updated_by_one_statement() for _ in range(count)]
        added = {table: rows for push in pushes for table, rows in push["added"].items()}
        return {
            "taken": summary([push["taken"] for push in pushes]),
            "all": summary([push["all"] for push in pushes]),
            "at_once": [push["at_once"] for push in pushes],
            "added": {table: max(push["added"].get(table, 0) for push in pushes) for table in added},
            "floor": summary(floor),
        }

    def push(self) -> dict[str, Any]:
        """Take a version in: seconds, how many Dags took it at once, seconds until all had, rows added."""
        from pinwheel.services.upkeep import repair

        self.pushes += 1
        version = hashlib.sha1(f"nothing traced {self.pushes}".encode()).hexdigest()
        before = self.counts()
        began = time.perf_counter()
        take_in(
            self.host,
            BUNDLE,
            version,
            files=self.files,
            changed=(),
            about={"author": "Ada", "message": f"Correct a comment, for the {self.pushes}th time"},
        )
        taken = time.perf_counter() - began
        at_once = self.following(version)
        followed = taken
        while self.following(version) < self.dags:
            if time.perf_counter() - began > GIVE_UP:
                raise TimeoutError(f"not within {GIVE_UP:g} s: all Dags follow to version {self.pushes}")
            repair.follow_again(self.host)
            followed = time.perf_counter() - began
        after = self.counts()
        return {
            "taken": taken,
            "at_once": at_once,
            "all": followed,
            "added": {table: after[table] - before[table] for table in after if after[table] > before[table]},
        }

    def updated_by_one_statement(self) -> float:
        """Seconds of the same change to Airflow's rows alone, which waits for whoever holds one."""
        began = time.perf_counter()
        self.query(f"UPDATE dag SET bundle_version = bundle_version WHERE bundle_name = '{BUNDLE}'")
        return time.perf_counter() - began

    def following(self, version: str) -> int:
        """Dags of which new runs take this version, by Airflow's rows and by ours."""
        return int(
            self.query(
                "SELECT count(*) FROM dag d JOIN pinwheel_dag p ON p.dag_id = d.dag_id"
                f" WHERE d.bundle_version = '{version}' AND p.follow_version = '{version}'"
            )[0][0]
        )

    def counts(self) -> dict[str, int]:
        return {table: self.count(table) for table in self.tables}

    def count(self, table: str) -> int:
        return int(self.query(f"SELECT count(*) FROM {table}")[0][0])


def rows(found: dict[str, Any]) -> list[Row]:
    alone, beside = found["alone"], found["scheduler"]
    slowest = beside["all"]["max"]
    added = {table: max(side["added"].get(table, 0) for side in (alone, beside)) for table in _added(found)}
    return [
        Row(
            item="k",
            what=f"{found['dags']} Dags follow a push that changes nothing traced, beside a busy scheduler",
            target=f"{TARGET_SECONDS:g} s",
            stock=f"- (one UPDATE of its column: {_seconds(beside['floor'])})",
            pinwheel=f"{_seconds(beside['taken'])}; {min(beside['at_once'])} or more at once,"
            f" all after {_seconds(beside['all'])}",
            ratio=f"{_middle(beside['taken']) / _middle(beside['floor']):.1f} times that UPDATE",
            met=slowest <= TARGET_SECONDS,
        ),
        Row(
            item="k",
            what=f"{found['dags']} Dags follow a push that changes nothing traced, without a scheduler",
            stock=f"- (one UPDATE of its column: {_seconds(alone['floor'])})",
            pinwheel=_seconds(alone["taken"]),
            ratio=f"{_middle(alone['taken']) / _middle(alone['floor']):.1f} times that UPDATE",
        ),
        Row(
            item="k",
            what=f"rows added by such a push, of {found['dags']} Dags",
            target="none for each Dag",
            pinwheel=", ".join(f"{count} in {table}" for table, count in sorted(added.items())) or "none",
            met=sum(added.values()) <= 2,
        ),
    ]


def _added(found: dict[str, Any]) -> set[str]:
    return {table for side in ("alone", "scheduler") for table in found[side]["added"]}


def _middle(times: dict[str, Any]) -> float:
    return median(times["values"])


def _seconds(times: dict[str, Any]) -> str:
    return f"{_middle(times):.2f} s, slowest of {times['n']} {times['max']:.2f} s"
